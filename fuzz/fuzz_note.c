/* SPDX-License-Identifier: Apache-2.0 */
/* A signed note, read as note and as checkpoint; a key, public and secret.  What is accepted
 * must come out of the writer as it went in. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ledger/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_keys(const char *text, size_t size)
{
    ti_note_key key, again;
    ti_note_signer signer;
    char out[TI_NOTE_KEY_TEXT];
    if (ti_note_key_read(&key, text, size, NULL) == TERN_OK) {
        ti_note_key_write(out, &key);
        TI_ASSERT(ti_note_key_read(&again, out, strlen(out), NULL) == TERN_OK);
        TI_ASSERT(again.id == key.id && strcmp(again.name, key.name) == 0);
    }
    if (ti_note_signer_read(&signer, text, size, NULL) == TERN_OK) {
        ti_note_signer_write(out, &signer);
        TI_ASSERT(strlen(out) <= size && memcmp(out, text, strlen(out)) == 0);
        ti_note_signer_wipe(&signer);
    }
}

static void use_checkpoint(ti_str text)
{
    ti_checkpoint c;
    ti_buf out = {0};
    if (ti_checkpoint_read(&c, text.data, text.len, NULL) == TERN_OK) {
        ti_checkpoint_write(&out, &c);
        TI_ASSERT(out.failed ||
                  (out.len <= text.len && memcmp(out.data, text.data, out.len) == 0));
    }
    ti_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char vkey[] =
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    const char *text = (const char *)data;
    ti_signed_note note;
    ti_note_key keys[2];
    bool valid[2];
    use_keys(text, size);
    use_checkpoint((ti_str){text, size});
    if (ti_note_parse(&note, text, size, NULL) != TERN_OK) {
        return 0;
    }
    TI_ASSERT(note.n > 0 && note.text.len > 0 && note.text.data[note.text.len - 1] == '\n');
    use_checkpoint(note.text);
    /* A known key, and one that the note itself names. */
    TI_ASSERT(ti_note_key_read(&keys[0], vkey, sizeof vkey - 1, NULL) == TERN_OK);
    keys[1] = keys[0];
    keys[1].type = TI_NOTE_COSIGN_V1;
    keys[1].id = note.sigs[0].id;
    memset(keys[1].name, 0, sizeof keys[1].name);
    memcpy(keys[1].name, note.sigs[0].name.data, note.sigs[0].name.len);
    (void)ti_note_check(&note, keys, 2, valid, NULL, NULL);
    return 0;
}
