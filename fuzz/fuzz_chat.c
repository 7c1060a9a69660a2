/* SPDX-License-Identifier: Apache-2.0 */
/* Chat templates from the input, and known ones with messages from it: text and tokens agree,
 * and people cannot write markers.
 *
 * Byte 0 chooses a template (or the input's own, up to its first byte 0xff); the rest is
 * messages, separated by 0xff, the first byte of each its role. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "chat_cases.h"
#include "model/vocab.h"
#include "tok_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_MESSAGES = 16 };

static tb_vocab spec;

static ti_vocab *create(const char *chat)
{
    tb_bpe(&spec);
    spec.chat = chat;
    return tb_create(&spec, NULL);
}

static ti_vocab *known(unsigned t)
{
    static ti_vocab *made[N_TEMPLATES];
    if (!made[t]) {
        made[t] = create(templates[t]);
        TI_ASSERT(made[t] && ti_vocab_has_chat(made[t]));
    }
    return made[t];
}

/* Cuts the input, in place, into messages. */
static size_t cut(char *text, tern_message *messages)
{
    static const char *const roles[] = {"user", "assistant", "system", "user"};
    size_t n = 0;
    while (*text && n < MAX_MESSAGES) {
        messages[n].role = roles[*text++ & 3];
        messages[n++].content = text;
        text = strchr(text, '\xff');
        if (!text) {
            break;
        }
        *text++ = '\0';
    }
    return n;
}

static void converse(const ti_vocab *v, const tern_message *messages, size_t n)
{
    size_t len = 0, n_ids = 0;
    tern_status status = ti_vocab_chat(v, NULL, 0, &len, messages, n, true, NULL);
    TI_ASSERT(status == TERN_LIMIT || status == TERN_UNSUPPORTED || status == TERN_USAGE);
    if (status != TERN_LIMIT) {
        return;
    }
    char *text = malloc(len + 1);
    tern_token *ids = malloc((len + 1) * sizeof *ids);
    TI_ASSERT(text && ids);
    TI_ASSERT(ti_vocab_chat(v, text, len + 1, &len, messages, n, true, NULL) == TERN_OK);
    TI_ASSERT(ti_vocab_chat_tokens(v, ids, len + 1, &n_ids, messages, n, true, NULL) ==
              TERN_OK);
    size_t at = 0, ends = 0;
    for (size_t i = 0; i < n_ids; i++) {
        ti_str token = ti_vocab_text(v, (uint32_t)ids[i]);
        TI_ASSERT(token.len <= len - at && memcmp(token.data, text + at, token.len) == 0);
        at += token.len;
        ends += ids[i] == TB_IM_END || ids[i] == TB_EOT;
    }
    TI_ASSERT(at == len);
    TI_ASSERT(ends <= n + 1); /* one for each message, one for a system text of the template */
    free(text);
    free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tern_message messages[MAX_MESSAGES];
    if (size == 0) {
        return 0;
    }
    char *text = malloc(size);
    TI_ASSERT(text);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    unsigned which = data[0] % (2 * N_TEMPLATES);
    if (which < N_TEMPLATES) {
        converse(known(which), messages, cut(text, messages));
    } else {
        char *rest = strchr(text, '\xff');
        if (rest) {
            *rest++ = '\0';
        }
        ti_vocab *v = create(text);
        TI_ASSERT(v);
        size_t len = 0;
        size_t n = rest ? cut(rest, messages) : 0;
        (void)ti_vocab_chat(v, NULL, 0, &len, messages, n, false, NULL);
        (void)ti_vocab_chat_tokens(v, NULL, 0, &len, messages, n, true, NULL);
        ti_vocab_destroy(v);
    }
    free(text);
    return 0;
}
