/* SPDX-License-Identifier: Apache-2.0 */
/* What generating takes on this machine: a short run between two readings. */
#include <stdio.h>
#include <string.h>

#include "carbon/units.h"
#include "cli/common.h"
#include "cli/metering.h"
#include "cli/out.h"
#include "cli/providers.h"

enum { WARM_UP_TOKENS = 8 };

/* Generates n tokens; what they are does not matter. */
static tern_status generate(tern_session *session, uint32_t n, tern_err *err)
{
    for (uint32_t i = 0; i < n; i++) {
        tern_token token;
        TI_TRY(tern_session_next(session, &token, err));
        if (ti_interrupted()) {
            return ti_fail(err, TERN_CANCELLED, "providers", TI_NO_OFFSET, "interrupted");
        }
    }
    return TERN_OK;
}

static tern_status between_readings(ti_local *out, tern_session *session, ti_energy *energy,
                                    uint32_t n, tern_err *err)
{
    uint32_t id;
    TI_TRY(ti_energy_begin(energy, &id, err));
    tern_status status = generate(session, n, err);
    ti_energy_work(energy, id, 0, n);
    ti_energy_end(energy, id, &out->figure);
    return status;
}

static tern_status measure(ti_local *out, const tern_model *model, const ti_model_args *args,
                           ti_energy *energy, tern_err *err)
{
    ti_session_args session_args = {0};
    const tern_sampler_opts greedy = {0};
    tern_session *session;
    TI_TRY(ti_open_session(&session, model, args, &session_args, &greedy, err));
    tern_status status = tern_session_feed_text(session, "Once upon a time", err);
    if (status == TERN_OK) {
        status = generate(session, WARM_UP_TOKENS, err);
    }
    if (status == TERN_OK) {
        status = between_readings(out, session, energy, out->n_tokens, err);
    }
    tern_session_destroy(session);
    return status;
}

tern_status ti_local_measure(ti_local *out, const char *name, uint32_t n_tokens, tern_err *err)
{
    ti_model_args args = {.model = name};
    ti_metering_args metering = TI_METERING_DEFAULT;
    tern_model *model;
    ti_energy *energy = NULL;
    ti_local made = {.n_tokens = n_tokens};
    TI_TRY(ti_open_model(&model, &args, err));
    tern_model_desc desc;
    tern_model_describe(model, &desc);
    snprintf(made.model, sizeof made.model, "%s", desc.name[0] ? desc.name : name);
    made.n_params = desc.n_params;
    tern_status status =
        ti_metering_open(&energy, &metering, TI_METERING_CALIBRATED, NULL, NULL, err);
    if (status == TERN_OK) {
        status = measure(&made, model, &args, energy, err);
    }
    ti_energy_close(energy);
    tern_model_close(model);
    TI_TRY(status);
    const uint64_t per = TI_PER_TOKENS, n = n_tokens;
    uint64_t all = made.figure.energy_uj + made.figure.idle_uj;
    if (!ti_ratio_u64(&made.uj_per_tokens, (const uint64_t[]){all, per}, 2, &n, 1)) {
        return ti_fail(err, TERN_LIMIT, "providers", TI_NO_OFFSET, "too many joules");
    }
    made.measured = true;
    *out = made;
    return TERN_OK;
}
