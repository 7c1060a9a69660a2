/* SPDX-License-Identifier: Apache-2.0 */
/* Token texts: from the letters of the file to the bytes that they stand for. */
#include <string.h>

#include "base/utf8.h"
#include "model/vocab.h"

#define MODULE "tokenizer"

/* The byte that a character of a byte-level vocabulary stands for, or -1.  Printable bytes of
 * Latin-1 stand for themselves, the 68 others for U+0100 and on, in order. */
static int byte_of_char(uint32_t code)
{
    if ((code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xff && code != 0xad)) {
        return (int)code;
    }
    if (code < 0x100 || code > 0x143) {
        return -1;
    }
    uint32_t k = code - 0x100;
    return k <= 0x20 ? (int)k : k < 0x43 ? (int)(k - 0x21 + 0x7f) : 0xad;
}

bool ti_text_decode_bytes(ti_str text, char *out, size_t *len)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len;) {
        uint32_t code;
        size_t size = ti_utf8_decode(text.data + i, text.len - i, &code);
        int byte = size ? byte_of_char(code) : -1;
        if (byte < 0) {
            return false;
        }
        out[n++] = (char)byte;
        i += size;
    }
    *len = n;
    return true;
}

static size_t decode_spaces(ti_str text, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len;) {
        if (text.len - i >= 3 && memcmp(text.data + i, "\xe2\x96\x81", 3) == 0) {
            out[n++] = ' ';
            i += 3;
        } else {
            out[n++] = text.data[i++];
        }
    }
    return n;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

int ti_text_byte_token(ti_str text)
{
    if (text.len != 6 || memcmp(text.data, "<0x", 3) != 0 || text.data[5] != '>') {
        return -1;
    }
    int high = hex_digit(text.data[3]);
    int low = hex_digit(text.data[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Decodes one token into `out`, which has room for its text, and says whether ordinary text may
 * produce it. */
static tern_status decode_token(ti_vocab *v, uint32_t id, ti_str text, char *out, size_t *len,
                                tern_err *err)
{
    uint8_t kind = v->kind[id];
    bool lookup = kind == TI_TOKEN_NORMAL || kind == TI_TOKEN_USER;
    if (kind == TI_TOKEN_BYTE) {
        int byte = ti_text_byte_token(text);
        if (byte < 0) {
            return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                           "token %u of type byte is no byte: '%.*s'", (unsigned)id,
                           (int)(text.len < 32 ? text.len : 32), text.data);
        }
        out[0] = (char)byte;
        *len = 1;
        if (v->byte_id[byte] == TI_VOCAB_NO_ID) {
            v->byte_id[byte] = id;
        }
    } else if (ti_is_marker(kind) || (!v->spm && !ti_text_decode_bytes(text, out, len))) {
        memcpy(out, text.data,
               text.len); /* a marker, or an odd token that merges cannot make */
        *len = text.len;
        lookup = kind == TI_TOKEN_USER;
    } else if (v->spm) {
        *len = decode_spaces(text, out);
    }
    if (lookup && *len > 0) {
        v->flags[id] |= TI_TOKEN_LOOKUP;
    }
    return TERN_OK;
}

/* The sum of the decoded texts is at most the size of the array. */
tern_status ti_vocab_read_texts(ti_vocab *v, const ti_gguf_kv *tokens, tern_err *err)
{
    if (tokens->bytes > UINT32_MAX) {
        return ti_fail(err, TERN_LIMIT, MODULE, TI_NO_OFFSET, "token texts are over 4 GiB");
    }
    char *blob = ti_arena_alloc(&v->arena, (size_t)tokens->bytes);
    uint32_t *at = ti_arena_calloc(&v->arena, (size_t)v->n_tokens + 1, sizeof *at);
    if (!blob || !at) {
        return ti_fail_nomem(err, MODULE, tokens->bytes, "the token texts");
    }
    v->blob = blob;
    v->at = at;
    uint64_t cursor = 0;
    size_t used = 0;
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        ti_str text;
        if (!ti_gguf_next_str(tokens, &cursor, &text)) {
            return ti_fail(err, TERN_CORRUPT, MODULE, TI_NO_OFFSET,
                           "tokenizer.ggml.tokens ends at token %u of %u", (unsigned)id,
                           (unsigned)v->n_tokens);
        }
        if (text.len > TI_VOCAB_MAX_TOKEN_BYTES) {
            return ti_fail(err, TERN_LIMIT, MODULE, TI_NO_OFFSET,
                           "token %u has %zu bytes, over the limit of %d", (unsigned)id,
                           text.len, (int)TI_VOCAB_MAX_TOKEN_BYTES);
        }
        size_t len = 0;
        TI_TRY(decode_token(v, id, text, blob + used, &len, err));
        at[id] = (uint32_t)used;
        used += len;
        if (len > v->max_token_bytes) {
            v->max_token_bytes = (uint32_t)len;
        }
    }
    at[v->n_tokens] = (uint32_t)used;
    return TERN_OK;
}
