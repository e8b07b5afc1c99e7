// Fractions as decimal text, exactly: what is read is the nearest number, what is written is the shortest text that is read as the same number.
#include "weir_internal.h"

// ---- whole numbers of any length that this file needs: 10^1130 and some bits more

enum { WORDS_MAX = 144, DIGITS_MAX = 800 };

typedef struct {
    uint32_t words[WORDS_MAX]; // the lowest first
    int len;                   // without zeros at the high end
} big;

static void big_set(big *number, uint64_t value) {
    number->words[0] = (uint32_t)value, number->words[1] = (uint32_t)(value >> 32);
    number->len = value == 0 ? 0 : value >> 32 == 0 ? 1 : 2;
}

// number * factor + plus
static void big_mul(big *number, uint32_t factor, uint32_t plus) {
    uint64_t carry = plus;
    for (int i = 0; i < number->len; i++, carry >>= 32) {
        carry += (uint64_t)number->words[i] * factor;
        number->words[i] = (uint32_t)carry;
    }
    if (carry != 0 && number->len < WORDS_MAX) number->words[number->len++] = (uint32_t)carry;
}

static void big_mul_pow10(big *number, int power) {
    for (; power >= 9; power -= 9) big_mul(number, 1000000000, 0);
    for (; power > 0; power--) big_mul(number, 10, 0);
}

static void big_shift(big *number, int bits) {
    int whole = bits / 32;
    if (number->len == 0 || number->len + whole > WORDS_MAX) return;
    memmove(number->words + whole, number->words, (size_t)number->len * 4);
    memset(number->words, 0, (size_t)whole * 4);
    number->len += whole;
    if (bits % 32 != 0) big_mul(number, 1u << bits % 32, 0);
}

static int big_bits(const big *number) { return number->len == 0 ? 0 : number->len * 32 - __builtin_clz(number->words[number->len - 1]); }

static int big_compare(const big *one, const big *other) {
    if (one->len != other->len) return one->len < other->len ? -1 : 1;
    for (int i = one->len - 1; i >= 0; i--) {
        if (one->words[i] != other->words[i]) return one->words[i] < other->words[i] ? -1 : 1;
    }
    return 0;
}

static void big_subtract(big *from, const big *what) {
    int64_t borrow = 0;
    for (int i = 0; i < from->len; i++) {
        int64_t word = (int64_t)from->words[i] - (i < what->len ? what->words[i] : 0) + borrow;
        from->words[i] = (uint32_t)word;
        borrow = word < 0 ? -1 : 0;
    }
    while (from->len > 0 && from->words[from->len - 1] == 0) from->len--;
}

// Whether one + plus is below (-1), at (0) or above (1) other.
static int big_compare_sum(const big *one, const big *plus, const big *other) {
    big sum = *one;
    int len = one->len > plus->len ? one->len : plus->len;
    uint64_t carry = 0;
    for (int i = 0; i < len; i++, carry >>= 32) {
        carry += (uint64_t)(i < one->len ? one->words[i] : 0) + (i < plus->len ? plus->words[i] : 0);
        sum.words[i] = (uint32_t)carry;
    }
    sum.len = len;
    if (carry != 0 && len < WORDS_MAX) sum.words[sum.len++] = (uint32_t)carry;
    return big_compare(&sum, other);
}

// ---- reading

static const double POW10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                               1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// The significant digits of a text, and the power of ten that the last of them counts.
typedef struct {
    uint8_t digits[DIGITS_MAX + 1];
    int len;
    int64_t power;
} decimal;

// Bytes of digits at the start of the text; takes them into the number.
static size_t take_digits(weir_bytes text, size_t at, decimal *number, bool is_fraction) {
    size_t start = at;
    for (; at < text.len && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
        uint8_t digit = (uint8_t)(text.data[at] - '0');
        if (number->len < DIGITS_MAX) {
            if (digit != 0 || number->len > 0) number->digits[number->len++] = digit;
            number->power -= is_fraction;
        } else {
            // Beyond what can matter, but for being above a tie.
            if (digit != 0) number->digits[DIGITS_MAX - 1] |= 1;
            number->power += !is_fraction;
        }
    }
    return at - start;
}

static bool take_exponent(weir_bytes text, size_t at, decimal *number) {
    bool negative = at < text.len && text.data[at] == '-';
    if (at < text.len && (text.data[at] == '-' || text.data[at] == '+')) at++;
    if (at == text.len) return false;
    int64_t exponent = 0;
    for (; at < text.len; at++) {
        if (text.data[at] < '0' || text.data[at] > '9') return false;
        if (exponent < INT32_MAX) exponent = exponent * 10 + (text.data[at] - '0');
    }
    number->power += negative ? -exponent : exponent;
    return true;
}

static double from_bits(uint64_t bits) {
    double number;
    memcpy(&number, &bits, 8);
    return number;
}

// digits * 10^power, where no shorter way is exact: 55 bits by long division, rounded to the even neighbour.
static double divide(const decimal *number) {
    big above, below;
    big_set(&above, 0), big_set(&below, 1);
    for (int i = 0; i < number->len; i++) {
        if (above.len == 0) big_set(&above, number->digits[i]);
        else big_mul(&above, 10, number->digits[i]);
    }
    big_mul_pow10(number->power > 0 ? &above : &below, (int)(number->power > 0 ? number->power : -number->power));
    int exponent = big_bits(&above) - big_bits(&below) - 53;
    if (exponent < -1074) exponent = -1074;
    big_shift(exponent > 0 ? &below : &above, exponent > 0 ? exponent : -exponent);
    big_shift(&below, 54);
    uint64_t bits = 0;
    for (int i = 0; i < 55; i++) {
        bits <<= 1;
        if (big_compare(&above, &below) >= 0) big_subtract(&above, &below), bits |= 1;
        big_mul(&above, 2, 0);
    }
    int rest = big_compare(&above, &below); // against one half
    if (bits >= (uint64_t)1 << 53) {
        rest = bits & 1 ? above.len != 0 : -1;
        bits >>= 1, exponent++;
    }
    bits += rest > 0 || (rest == 0 && bits & 1);
    if (exponent + 1075 >= 2047) return from_bits((uint64_t)2047 << 52);
    return from_bits(((uint64_t)(exponent + 1075) << 52) + bits - ((uint64_t)1 << 52));
}

static double nearest(const decimal *number) {
    uint64_t whole = 0;
    if (number->len == 0 || number->len + number->power < -330) return 0;
    if (number->len + number->power > 310) return from_bits((uint64_t)2047 << 52);
    if (number->len > 16 || number->power < -22 || number->power > 22) return divide(number);
    for (int i = 0; i < number->len; i++) whole = whole * 10 + number->digits[i];
    if (whole > (uint64_t)1 << 53) return divide(number);
    return number->power < 0 ? (double)whole / POW10[-number->power] : (double)whole * POW10[number->power];
}

bool weir_parse_f64(weir_bytes text, double *number) {
    decimal read;
    read.len = 0, read.power = 0;
    size_t at = text.len > 0 && text.data[0] == '-';
    size_t whole = take_digits(text, at, &read, false), fraction = 0;
    bool negative = at == 1;
    at += whole;
    if (at < text.len && text.data[at] == '.') {
        fraction = take_digits(text, at + 1, &read, true);
        at += fraction + 1;
    }
    if (whole + fraction == 0) return false;
    if (at < text.len) {
        if ((text.data[at] | 0x20) != 'e' || !take_exponent(text, at + 1, &read)) return false;
    }
    double size = nearest(&read);
    if (size > 1.7976931348623157e308) return false;
    *number = negative ? -size : size;
    return true;
}

// ---- writing

// The shortest digits of whole * 2^exponent, and where the point is: that many digits are before it.
static int shortest(uint64_t whole, int exponent, char *digits, int *point) {
    big rest, scale, up, down; // all times 2 or 4, so that half of the distances to the neighbours are whole
    bool edge = whole == (uint64_t)1 << 52 && exponent > -1074, even = (whole & 1) == 0;
    big_set(&rest, whole), big_set(&scale, 1), big_set(&up, 1), big_set(&down, 1);
    big_shift(&rest, 1 + edge + (exponent > 0 ? exponent : 0));
    big_shift(&scale, 1 + edge + (exponent < 0 ? -exponent : 0));
    big_shift(&up, edge + (exponent > 0 ? exponent : 0));
    big_shift(&down, exponent > 0 ? exponent : 0);
    double estimate = (63 - __builtin_clzll(whole) + exponent) * 0.30102999566398114 - 1e-10;
    int power = (int)estimate + (estimate > 0 && estimate > (int)estimate);
    if (power >= 0) big_mul_pow10(&scale, power);
    else big_mul_pow10(&rest, -power), big_mul_pow10(&up, -power), big_mul_pow10(&down, -power);
    if (big_compare_sum(&rest, &up, &scale) >= (even ? 0 : 1)) power++;
    else big_mul(&rest, 10, 0), big_mul(&up, 10, 0), big_mul(&down, 10, 0);
    *point = power;
    for (int len = 0;; big_mul(&rest, 10, 0), big_mul(&up, 10, 0), big_mul(&down, 10, 0)) {
        int digit = 0;
        for (; big_compare(&rest, &scale) >= 0; digit++) big_subtract(&rest, &scale);
        bool low = big_compare(&rest, &down) < (even ? 1 : 0), high = big_compare_sum(&rest, &up, &scale) >= (even ? 0 : 1);
        if (high && (!low || big_compare_sum(&rest, &rest, &scale) >= 0)) digit++;
        digits[len++] = (char)('0' + digit);
        if (low || high) return len;
    }
}

// The same for numbers that have few digits after the point: they are whole after some multiplication, and dividing again gives the number back.
static int short_digits(double number, char *digits, int *point) {
    if (number >= 1e15 || number < 1e-5) return 0;
    for (int places = 0; places <= 20; places++) {
        double scaled = number * POW10[places];
        if (scaled >= 1e15) return 0;
        uint64_t whole = (uint64_t)(scaled + 0.5);
        if (whole == 0 || (double)whole / POW10[places] != number) continue;
        int len = 0;
        for (uint64_t rest = whole; rest != 0; rest /= 10) len++;
        for (int i = len - 1; i >= 0; i--, whole /= 10) digits[i] = (char)('0' + whole % 10);
        *point = len - places;
        return len;
    }
    return 0;
}

// The same layout as Rust's: 1.0, 12.5, 0.00001, 1e16, 1.5e-7.
static size_t lay_out(const char *digits, int len, int point, char *to) {
    char *at = to;
    if (point > 16 || point <= -5) {
        *at++ = digits[0];
        if (len > 1) *at++ = '.', memcpy(at, digits + 1, (size_t)len - 1), at += len - 1;
        int exponent = point - 1;
        *at++ = 'e';
        if (exponent < 0) *at++ = '-', exponent = -exponent;
        if (exponent >= 100) *at++ = (char)('0' + exponent / 100);
        if (exponent >= 10) *at++ = (char)('0' + exponent / 10 % 10);
        *at++ = (char)('0' + exponent % 10);
        return (size_t)(at - to);
    }
    if (point <= 0) *at++ = '0', *at++ = '.';
    for (int i = point; i < 0; i++) *at++ = '0';
    for (int i = 0; i < len || i < point; i++) {
        if (i == point && i > 0) *at++ = '.';
        *at++ = i < len ? digits[i] : '0';
    }
    if (len <= point) *at++ = '.', *at++ = '0';
    return (size_t)(at - to);
}

size_t weir_write_f64(double number, char *to) {
    uint64_t bits;
    char digits[24];
    memcpy(&bits, &number, 8);
    size_t sign = bits >> 63;
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int exponent = (int)(bits >> 52 & 2047), point = 1, len = 1;
    if (exponent == 2047) return memcpy(to, "null", 4), 4;
    to[0] = '-';
    digits[0] = '0';
    if (exponent != 0 || fraction != 0) {
        len = short_digits(sign ? -number : number, digits, &point);
        if (len == 0)
            len = shortest(exponent == 0 ? fraction : fraction | (uint64_t)1 << 52, exponent == 0 ? -1074 : exponent - 1075, digits, &point);
        while (len > 1 && digits[len - 1] == '0') len--;
    }
    return sign + lay_out(digits, len, point, to + sign);
}
