/* SPDX-License-Identifier: Apache-2.0 */
#include "model/thin_text.h"

#include <stdbool.h>

#include "base/str.h"

enum {
    PIECE_BYTES = 32,   /* of a word that is cut into pieces */
    PIECE_SHORTEST = 3, /* bytes of a piece */
    PIECE_LONGEST = 5,
    HEAVY = 8, /* how often a fact about the whole text counts */
    DOUBLING_CLASSES = 4
};

/* FNV-1a, 32 bits (Fowler, Noll, Vo), and two steps of MurmurHash3's finish, by which high bits
 * come into the low ones that choose a row. */
static const uint32_t FNV_BASIS = 2166136261u, FNV_PRIME = 16777619u, MIX = 0x85ebca6bu;

static uint32_t add_byte(uint32_t h, unsigned char byte)
{
    return (h ^ byte) * FNV_PRIME;
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static uint32_t add_bytes(uint32_t h, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        h = add_byte(h, lower(bytes[i]));
    }
    return h;
}

static uint32_t begin(char kind)
{
    return add_byte(FNV_BASIS, (unsigned char)kind);
}

static uint32_t finish(uint32_t h)
{
    h ^= h >> 16;
    h *= MIX;
    return h ^ h >> 13;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ASCII letters, and all bytes of other scripts. */
static bool is_letter(char c)
{
    return (lower(c) >= 'a' && lower(c) <= 'z') || (unsigned char)c >= 0x80;
}

/* The next word from *at on: letters, with an apostrophe before them; or one digit. */
static bool next_word(ti_str *word, size_t *at, const char *text, size_t len)
{
    for (size_t i = *at; i < len; i++) {
        size_t end = i + 1;
        bool opens = text[i] == '\'' && end < len && is_letter(text[end]);
        if (!opens && !is_letter(text[i]) && !is_digit(text[i])) {
            continue;
        }
        while (!is_digit(text[i]) && end < len && is_letter(text[end])) {
            end++;
        }
        *word = (ti_str){text + i, end - i};
        *at = end;
        return true;
    }
    *at = len;
    return false;
}

/* 0 to 3 as they are, then four classes for each doubling. */
static unsigned char size_class(uint64_t n)
{
    unsigned high = 0;
    if (n < DOUBLING_CLASSES) {
        return (unsigned char)n;
    }
    while (n >> high > 1) {
        high++;
    }
    return (unsigned char)(DOUBLING_CLASSES * (high - 1) + (n >> (high - 2) & 3));
}

/* Pieces of "^word$". */
static void pieces(ti_str word, ti_thin_found *found, void *to)
{
    char marked[PIECE_BYTES + 2];
    size_t n = word.len < PIECE_BYTES ? word.len : PIECE_BYTES;
    marked[0] = '^';
    for (size_t i = 0; i < n; i++) {
        marked[i + 1] = word.data[i];
    }
    marked[n + 1] = '$';
    for (size_t size = PIECE_SHORTEST; size <= PIECE_LONGEST; size++) {
        for (size_t i = 0; i + size <= n + 2; i++) {
            found(to, finish(add_bytes(begin('c'), marked + i, size)), 1);
        }
    }
}

static void pair(char kind, ti_str a, ti_str b, ti_thin_found *found, void *to)
{
    uint32_t h = add_byte(add_bytes(begin(kind), a.data, a.len), ' ');
    found(to, finish(add_bytes(h, b.data, b.len)), 1);
}

uint64_t ti_thin_features(const char *text, size_t len, ti_thin_found *found, void *to)
{
    /* The last two of the line "<", the words, ">". */
    ti_str before = {0}, last = {"<", 1}, word = {0};
    const ti_str end = {">", 1};
    uint64_t n = 0, digits = 0;
    for (size_t at = 0; next_word(&word, &at, text, len); n++) {
        digits += is_digit(word.data[0]);
        if (n >= TI_THIN_WORDS_MAX) {
            continue;
        }
        found(to, finish(add_bytes(begin('w'), word.data, word.len)), 1);
        pieces(word, found, to);
        pair('b', last, word, found, to);
        if (before.data) {
            pair('s', before, word, found, to);
        }
        before = last;
        last = word;
    }
    pair('b', last, end, found, to);
    if (before.data) {
        pair('s', before, end, found, to);
    }
    found(to, finish(add_byte(begin('l'), size_class(n))), HEAVY);
    found(to, finish(add_byte(begin('d'), size_class(digits))), HEAVY);
    return n;
}
