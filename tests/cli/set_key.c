/* SPDX-License-Identifier: Apache-2.0 */
/* usage: set_key IN.gguf OUT.gguf KEY TEXT
 *
 * Copies a model and gives it one more string: how the transcripts get a small model with a
 * chat template. */
#include <stdio.h>
#include <string.h>

#include "model/gguf.h"

static tern_status copy(ti_gguf_writer *w, const ti_gguf *in, const char *key, const char *text,
                        tern_err *err)
{
    for (size_t i = 0; i < in->n_kv; i++) {
        ti_gguf_put_copy(w, &in->kv[i]);
    }
    ti_gguf_put_str(w, key, text, strlen(text));
    for (size_t i = 0; i < in->n_tensors; i++) {
        const ti_gguf_tensor *t = &in->tensors[i];
        TI_TRY(
            ti_gguf_add_tensor(w, t->name, t->type->type, t->dims, t->n_dims, t->bytes, err));
    }
    TI_TRY(ti_gguf_begin_data(w, err));
    for (size_t i = 0; i < in->n_tensors; i++) {
        TI_TRY(ti_gguf_write_data(w, in->tensors[i].data, in->tensors[i].bytes, err));
    }
    return ti_gguf_writer_finish(w, err);
}

int main(int argc, char **argv)
{
    ti_gguf in = {0};
    ti_gguf_writer *w = NULL;
    tern_err err = {0};
    if (argc != 5) {
        fputs("usage: set_key IN.gguf OUT.gguf KEY TEXT\n", stderr);
        return 2;
    }
    tern_status status = ti_gguf_open(&in, argv[1], NULL, &err);
    if (status == TERN_OK) {
        status = ti_gguf_writer_create(&w, argv[2], &err);
    }
    if (status == TERN_OK) {
        status = copy(w, &in, argv[3], argv[4], &err);
    }
    if (status != TERN_OK) {
        fprintf(stderr, "set_key: %s\n", err.message);
    }
    ti_gguf_writer_destroy(w);
    ti_gguf_close(&in);
    return tern_status_exit_code(status);
}
