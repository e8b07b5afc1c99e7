"""Imports that a component can't do later: the module search runs at build time only, so what is not imported by then isn't there.

A plugin that uses another module of the standard library, or one that these import late by themselves, imports it at the top of its own file.
"""

import base64 as base64
import bisect as bisect
import calendar as calendar
import collections as collections
import collections.abc as collections_abc
import copy as copy
import csv as csv
import dataclasses as dataclasses
import datetime as datetime
import decimal as decimal
import encodings.ascii as encodings_ascii
import encodings.idna as encodings_idna
import encodings.latin_1 as encodings_latin_1
import encodings.utf_16 as encodings_utf_16
import encodings.utf_8 as encodings_utf_8
import enum as enum
import fractions as fractions
import functools as functools
import hashlib as hashlib
import heapq as heapq
import html as html
import io as io
import ipaddress as ipaddress
import itertools as itertools
import json as json
import linecache as linecache
import logging as logging
import math as math
import operator as operator
import random as random
import re as re
import statistics as statistics
import string as string
import struct as struct
import textwrap as textwrap
import time as time
import traceback as traceback
import typing as typing
import unicodedata as unicodedata
import urllib.parse as urllib_parse
import uuid as uuid
import warnings as warnings
import zlib as zlib

# `datetime.strptime` imports this when it is first called.
import _strptime as _strptime  # type: ignore[import-not-found]
