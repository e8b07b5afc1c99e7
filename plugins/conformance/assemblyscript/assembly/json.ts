// JSON as far as the conformance functions need it: a value deep in a line, and texts as JSON.

import { Buffer } from "./abi";

/** Deeper lines are refused, as most readers of JSON do. */
const DEPTH_MAX: u32 = 128;

const QUOTE: u32 = 0x22;
const COMMA: u32 = 0x2c;
const COLON: u32 = 0x3a;
const BACKSLASH: u32 = 0x5c;

/** Reads a line of UTF-8, and finds the text at a path of names; numbers, `true` and `false` as they are written. */
export class JsonReader {
  private at: usize = 0;
  private end: usize = 0;
  private depth: u32 = 0;
  private name: Buffer = new Buffer();
  /** What was found, if `found`. */
  text: Buffer = new Buffer();
  found: bool = false;

  constructor(private path: ArrayBuffer[]) {}

  /** Whether the whole line is JSON. */
  read(from: usize, length: u32): bool {
    this.at = from;
    this.end = from + length;
    this.depth = 0;
    this.found = false;
    if (!this.value(0)) return false;
    this.space();
    return this.at == this.end;
  }

  @inline
  private peek(): u32 {
    return this.at < this.end ? <u32>load<u8>(this.at) : 0;
  }

  private space(): void {
    while (this.at < this.end) {
      const byte = <u32>load<u8>(this.at);
      if (byte != 32 && byte != 9 && byte != 10 && byte != 13) return;
      this.at++;
    }
  }

  private skip(byte: u32): bool {
    this.space();
    if (this.peek() != byte) return false;
    this.at++;
    return true;
  }

  /** A value, in front of which `matched` names of the path have matched; -1: it isn't on the path. */
  private value(matched: i32): bool {
    this.space();
    const byte = this.peek();
    if (byte == 0x7b) return this.object(matched);
    if (byte == 0x5b) return this.array();
    const wanted = matched == this.path.length;
    if (byte == QUOTE) {
      if (wanted) this.found = true;
      return this.string(wanted ? this.text : this.name);
    }
    const from = this.at;
    if (byte == 0x6e) return this.word("null");
    if (!(byte == 0x74 ? this.word("true") : byte == 0x66 ? this.word("false") : this.number())) return false;
    if (!wanted) return true;
    this.found = true;
    this.text.length = 0;
    const length = this.at - from;
    memory.copy(this.text.add(length), from, length);
    return true;
  }

  private object(matched: i32): bool {
    if (++this.depth > DEPTH_MAX) return false;
    this.at++;
    if (!this.skip(0x7d)) {
      do {
        this.space();
        if (this.peek() != QUOTE || !this.string(this.name)) return false;
        const onPath = matched >= 0 && matched < this.path.length && this.isName(this.path[matched]);
        // The last one of a name counts.
        if (onPath) this.found = false;
        if (!this.skip(COLON) || !this.value(onPath ? matched + 1 : -1)) return false;
      } while (this.skip(COMMA));
      if (!this.skip(0x7d)) return false;
    }
    this.depth--;
    return true;
  }

  private array(): bool {
    if (++this.depth > DEPTH_MAX) return false;
    this.at++;
    if (!this.skip(0x5d)) {
      do if (!this.value(-1)) return false;
      while (this.skip(COMMA));
      if (!this.skip(0x5d)) return false;
    }
    this.depth--;
    return true;
  }

  private isName(name: ArrayBuffer): bool {
    const length = <usize>name.byteLength;
    return this.name.length == length && memory.compare(this.name.from, changetype<usize>(name), length) == 0;
  }

  private word(word: string): bool {
    for (let i = 0; i < word.length; i++, this.at++) if (this.peek() != <u32>word.charCodeAt(i)) return false;
    return true;
  }

  private digits(): bool {
    const from = this.at;
    while (this.peek() - 48 < 10) this.at++;
    return this.at > from;
  }

  private number(): bool {
    if (this.peek() == 0x2d) this.at++;
    if (this.peek() == 0x30) this.at++;
    else if (!this.digits()) return false;
    if (this.peek() == 0x2e) {
      this.at++;
      if (!this.digits()) return false;
    }
    if ((this.peek() | 0x20) != 0x65) return true;
    this.at++;
    if (this.peek() == 0x2b || this.peek() == 0x2d) this.at++;
    return this.digits();
  }

  /** A text, decoded into `to`. */
  private string(to: Buffer): bool {
    to.length = 0;
    this.at++;
    while (true) {
      const from = this.at;
      while (this.peek() >= 32 && this.peek() != QUOTE && this.peek() != BACKSLASH) this.at++;
      const length = this.at - from;
      if (length > 0) memory.copy(to.add(length), from, length);
      const byte = this.peek();
      if (byte < 32) return false;
      this.at++;
      if (byte == QUOTE) return true;
      if (!this.escape(to)) return false;
    }
  }

  private escape(to: Buffer): bool {
    const byte = this.peek();
    this.at++;
    if (byte == 0x75) return this.unicode(to);
    const which = '"\\/bfnrt'.indexOf(String.fromCharCode(byte));
    if (which < 0) return false;
    store<u8>(to.add(1), '"\\/\b\f\n\r\t'.charCodeAt(which));
    return true;
  }

  /** Four hexadecimal digits, and four more where they are the first half of a pair. */
  private unicode(to: Buffer): bool {
    const first = this.hex();
    if (first < 0) return false;
    if (first - 0xd800 >= 0x800 || first < 0xd800) {
      to.addText(String.fromCharCode(first));
      return true;
    }
    if (first >= 0xdc00 || this.peek() != BACKSLASH) return false;
    this.at++;
    if (this.peek() != 0x75) return false;
    this.at++;
    const second = this.hex();
    if (second < 0xdc00 || second > 0xdfff) return false;
    to.addText(String.fromCharCode(first, second));
    return true;
  }

  private hex(): i32 {
    let number = 0;
    for (let i = 0; i < 4; i++, this.at++) {
      const byte = this.peek();
      const letter = (byte | 0x20) - 0x61;
      if (byte - 48 < 10) number = number * 16 + <i32>(byte - 48);
      else if (letter < 6) number = number * 16 + <i32>letter + 10;
      else return -1;
    }
    return number;
  }
}

/** A text in quotes. */
export function quoted(text: string): string {
  let made = '"';
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const which = '"\\\b\f\n\r\t'.indexOf(text.charAt(i));
    if (which >= 0) made += "\\" + '"\\bfnrt'.charAt(which);
    else if (unit < 32) made += "\\u" + unit.toString(16).padStart(4, "0");
    else made += text.charAt(i);
  }
  return made + '"';
}
