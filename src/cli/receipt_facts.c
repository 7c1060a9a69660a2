/* SPDX-License-Identifier: Apache-2.0 */
/* What a receipt says, from what was done; and in a line for people. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/pool.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "carbon/units.h"
#include "cli/grams.h"
#include "cli/machine.h"
#include "cli/out.h"
#include "cli/receipts.h"

/* In UTF-8, as all text that tern writes: a middle dot, plus-minus. */
#define SEPARATOR " \xc2\xb7 "
#define PLUS_MINUS "\xc2\xb1"

const char *ti_receipt_kv_name(uint32_t kv)
{
    return kv == TERN_KV_I8 ? "i8" : "f16";
}

const char *ti_receipt_act_name(uint32_t act)
{
    return act == TERN_ACT_8 ? "8" : "16";
}

const char *ti_receipt_i2s_name(uint32_t i2s)
{
    return i2s == TERN_I2S_X86 ? "x86" : i2s == TERN_I2S_ARM ? "arm" : "auto";
}

const char *ti_receipt_group_name(uint32_t group)
{
    static const char *const names[] = {"auto", "64", "128"};
    return names[group];
}

/* Copies a text, cut at a whole character. */
static void set(char *out, size_t cap, const char *text)
{
    size_t len = strlen(text);
    if (len >= cap) {
        len = ti_utf8_complete(text, cap - 1);
    }
    memcpy(out, text, len);
    out[len] = '\0';
    for (size_t i = 0; i < len;) { /* names in files may be any bytes */
        uint32_t code;
        size_t n = ti_utf8_decode(out + i, len - i, &code);
        out[i] = n ? out[i] : '?';
        i += n ? n : 1;
    }
}

#define SET(field, text) set(field, sizeof(field), text)

const tern_token *ti_receipt_tokens(const ti_receipt_facts *f, size_t *n)
{
    if (f->session) {
        return tern_session_tokens(f->session, n);
    }
    *n = f->n_tokens;
    return f->tokens;
}

static void set_engine(ti_receipt *r, const ti_receipt_facts *f)
{
    r->sampler = f->session ? *tern_session_sampler(f->session) : *f->sampler;
    r->engine.context_tokens = ti_context_of(f->model, f->session_args);
    r->engine.max_output_tokens = f->max_tokens;
    SET(r->engine.kv, ti_receipt_kv_name(f->session_args->kv));
    SET(r->engine.act, ti_receipt_act_name(f->model_args->act));
    SET(r->engine.head, f->model_args->head ? f->model_args->head : "auto");
    SET(r->engine.i2s, ti_receipt_i2s_name(f->model_args->i2s));
    SET(r->engine.q2_0_group, ti_receipt_group_name(f->model_args->q2_0));
}

static void set_machine(ti_receipt *r, const ti_receipt_facts *f, const tern_model_desc *desc)
{
    struct utsname system;
    SET(r->machine.arch, uname(&system) == 0 ? system.machine : "");
    SET(r->machine.cpu, ti_machine_cpu());
    SET(r->machine.kernel, desc->kernel);
    r->machine.threads = f->model_args->threads ? f->model_args->threads : ti_cpu_count();
}

/* The head is computed for the last token of the prompt and each token that was chosen after
 * the first; the layers for every token but the last, and but those that were held already. */
static void set_work(ti_receipt *r, const ti_receipt_facts *f, const tern_model_desc *desc)
{
    uint64_t head = (uint64_t)desc->n_vocab * desc->n_embd;
    uint64_t chosen = f->answer->n_tokens, decoded = chosen > 0 ? chosen - 1 : 0;
    r->work.input_tokens = f->n_input;
    r->work.output_tokens = chosen;
    r->work.macs = (f->n_fed + decoded) * (desc->macs_per_token - head) + (1 + decoded) * head;
    r->work.weight_bytes = decoded * desc->bytes_per_token;
    r->time.prompt_ns = f->prompt_ns;
    r->time.generate_ns = f->answer->first_ns + f->answer->generate_ns;
}

void ti_receipt_set_energy(ti_receipt_energy *e, const ti_energy_figure *figure)
{
    static const ti_receipt_evidence evidences[] = {
        [TI_EVIDENCE_MEASURED] = TI_RECEIPT_MEASURED,
        [TI_EVIDENCE_MODELLED] = TI_RECEIPT_MODELLED,
        [TI_EVIDENCE_DECLARED] = TI_RECEIPT_DECLARED,
        [TI_EVIDENCE_REPLAYED] = TI_RECEIPT_REPLAYED};
    e->energy_uj = figure->energy_uj;
    e->idle_uj = figure->idle_uj;
    e->evidence = evidences[figure->evidence];
    e->error_permille = figure->error_permille;
    SET(e->meter, figure->meter);
}

/* Closes the account of this answer. */
static void set_energy(ti_receipt_job *job, const ti_receipt_facts *f)
{
    ti_energy_figure figure;
    if (!job->energy) {
        return;
    }
    ti_energy_work(job->energy, job->energy_id, f->n_fed, f->answer->n_tokens);
    ti_energy_end(job->energy, job->energy_id, &figure);
    ti_receipt_set_energy(&job->receipt.energy, &figure);
    job->receipt.has_energy = true;
}

/* Grams of the answer's joules and of its part of the idle line, where the user said a grid.
 * What is wrong with the environment's word for it is no reason to lose the receipt. */
static tern_status set_carbon(ti_receipt_job *job, tern_err *err)
{
    const ti_grams_args args = {.zone = job->args->zone};
    const ti_receipt_energy *e = &job->receipt.energy;
    ti_receipt_carbon *c = &job->receipt.carbon;
    char basis[TI_BASIS_TEXT], intensity[TI_AMOUNT_TEXT];
    ti_grams grams = {.row = NULL};
    ti_footprint f = {.co2_ug = 0};
    tern_err local;
    if (!job->receipt.has_energy) {
        return TERN_OK;
    }
    tern_status status = ti_grams_open(&grams, &args, &local);
    if (status == TERN_OK && grams.row) {
        status = ti_grams_of(&f, &grams, e->energy_uj + e->idle_uj, &local);
        job->receipt.has_carbon = status == TERN_OK;
    }
    if (job->receipt.has_carbon) {
        c->co2_ug = f.co2_ug;
        SET(c->basis, ti_basis_text(basis, f.basis));
        snprintf(c->source, sizeof c->source, "%s, yearly %u, %s g/kWh, %s", f.zone,
                 (unsigned)f.year, ti_milli_text(intensity, f.intensity_mg_kwh), f.source);
    }
    ti_grams_close(&grams);
    if (status != TERN_OK && job->args->zone) {
        return ti_fail(err, status, local.module, local.offset, "%s", local.message);
    }
    if (status != TERN_OK) {
        ti_warn("the receipt will say nothing of carbon: %s: %s", local.module, local.message);
    }
    return TERN_OK;
}

tern_status ti_receipt_fill(ti_receipt_job *job, const ti_receipt_facts *f, tern_err *err)
{
    ti_receipt *r = &job->receipt;
    tern_model_desc desc;
    ti_file_state state;
    size_t n;
    const tern_token *tokens = ti_receipt_tokens(f, &n);
    tern_model_describe(f->model, &desc);
    set_energy(job, f); /* first: what follows is not the answer's work */
    r->time.ended_unix_ms = ti_unix_ms();
    TI_TRY(set_carbon(job, err));
    TI_TRY(ti_model_digest(r->model.sha256, &state, job->model_path, err));
    if (!ti_file_same(&state, &job->model_state)) {
        return ti_fail(err, TERN_IO, "receipt", TI_NO_OFFSET,
                       "'%s' has changed since it was opened", job->model_path);
    }
    r->model.file_bytes = state.bytes;
    SET(r->tern_version, tern_version());
    SET(r->model.name, desc.name);
    SET(r->model.architecture, desc.architecture);
    ti_sha256_of(r->output.sha256, f->answer->text.data, f->answer->text.len);
    r->output.bytes = f->answer->text.len;
    SET(r->stop_reason, ti_stop_name(f->answer->stop));
    SET(r->input.mode, f->chat ? "chat" : "raw");
    ti_commit_input(r->input.commitment, job->salt, tokens, f->n_input, f->stops->items,
                    f->stops->n);
    set_engine(r, f);
    ti_answer_form_receipt(r, f->form);
    set_machine(r, f, &desc);
    set_work(r, f, &desc);
    r->has_trace = job->trace.hashes != NULL;
    if (r->has_trace) {
        r->trace.n_tokens = n > 0 && f->answer->n_tokens > 0 ? n - 1 : n;
        r->trace.n_layers = desc.n_layer;
        ti_trace_root(&job->trace, (uint32_t)r->trace.n_tokens, r->trace.root);
    }
    ti_receipt_make_id(r->id, r->time.ended_unix_ms);
    return TERN_OK;
}

/* --- for people -----------------------------------------------------------------------------
 */

void ti_receipt_describe(ti_buf *out, const ti_receipt *r)
{
    enum { PERMILLE = 10 };
    ti_buf_addf(out, "%llu tokens", (unsigned long long)r->work.output_tokens);
    if (r->has_energy) {
        ti_buf_adds(out, SEPARATOR);
        char joules[TI_AMOUNT_TEXT];
        ti_buf_adds(out, ti_joules_text(joules, r->energy.energy_uj));
        ti_buf_addf(out, " (%s " PLUS_MINUS "%g %%, %s)",
                    ti_receipt_evidence_name(r->energy.evidence),
                    (double)r->energy.error_permille / PERMILLE, r->energy.meter);
    }
    if (r->has_carbon) {
        char grams[TI_AMOUNT_TEXT];
        ti_buf_addf(out, SEPARATOR "%s CO2e (%s, %s)", ti_grams_text(grams, r->carbon.co2_ug),
                    r->carbon.source, r->carbon.basis);
    }
}

void ti_receipt_note(const ti_receipt *receipt)
{
    ti_buf line = {0};
    ti_receipt_describe(&line, receipt);
    if (!line.failed) {
        ti_note("%s" SEPARATOR "receipt %s", line.data, receipt->id);
    }
    ti_buf_free(&line);
}
