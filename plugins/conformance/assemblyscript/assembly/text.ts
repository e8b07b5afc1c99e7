// Text in memory: UTF-8, words, lower case.

/** Keys and values are mostly a few bytes, for which this is faster than a call: whole words from the front, and one from the end, over them. */
@inline
export function copyBytes(to: usize, from: usize, length: u32): void {
  if (length > 32) {
    memory.copy(to, from, length);
  } else if (length >= 8) {
    for (let i: u32 = 0; i + 8 < length; i += 8) store<u64>(to + i, load<u64>(from + i));
    store<u64>(to + length - 8, load<u64>(from + length - 8));
  } else if (length >= 4) {
    store<u32>(to, load<u32>(from));
    store<u32>(to + length - 4, load<u32>(from + length - 4));
  } else if (length > 0) {
    store<u8>(to, load<u8>(from));
    store<u8>(to + length / 2, load<u8>(from + length / 2));
    store<u8>(to + length - 1, load<u8>(from + length - 1));
  }
}

/** How many bytes at the beginning are UTF-8: no surrogates, nothing above U+10FFFF, nothing longer than it need be. */
export function validUtf8(from: usize, length: u32): u32 {
  let i: u32 = 0;
  while (i < length) {
    if (i + 8 <= length && (load<u64>(from + i) & 0x8080808080808080) == 0) {
      i += 8;
      continue;
    }
    const first = <u32>load<u8>(from + i);
    if (first < 0x80) {
      i++;
      continue;
    }
    if (first < 0xc2 || first > 0xf4) return i;
    const size: u32 = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (size > length - i) return i;
    const second = <u32>load<u8>(from + i + 1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return i;
    for (let next: u32 = 1; next < size; next++) if ((load<u8>(from + i + next) & 0xc0) != 0x80) return i;
    i += size;
  }
  return length;
}

/** Space, \t, \n, \x0b, \x0c, \r: all but the first are 9 to 13. */
@inline
export function isSpace(byte: u32): bool {
  return byte == 32 || byte - 9 < 5;
}

/** Copies with A-Z lower-cased. */
export function lowerAscii(to: usize, from: usize, length: u32): void {
  for (let i: u32 = 0; i < length; i++) {
    const byte = <u32>load<u8>(from + i);
    store<u8>(to + i, byte | (u32(byte - 65 < 26) << 5));
  }
}

/** Copies valid UTF-8 with its code points in reverse order. */
export function reverseUtf8(to: usize, from: usize, length: u32): void {
  let end = length;
  for (let i: u32 = length; i > 0; ) {
    // Back to a byte that isn't a following one.
    do i--;
    while ((load<u8>(from + i) & 0xc0) == 0x80);
    memory.copy(to + length - end, from + i, end - i);
    end = i;
  }
}
