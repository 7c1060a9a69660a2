/* SPDX-License-Identifier: Apache-2.0 */
/* What a file recommends to choose tokens by: the keys general.sampling.* of llama.cpp. */
#include "model/sampler.h"
#include "model/weights.h"

static const char module[] = "model";

tern_status ti_recommended_sampler(tern_sampler_opts *out, const ti_gguf *gguf, tern_err *err)
{
    tern_sampler_opts o = {0};
    ti_sampler checked;
    TI_TRY(ti_gguf_get_f32(gguf, "general.sampling.temp", false, &o.temperature, err));
    TI_TRY(ti_gguf_get_u32(gguf, "general.sampling.top_k", false, &o.top_k, err));
    TI_TRY(ti_gguf_get_f32(gguf, "general.sampling.top_p", false, &o.top_p, err));
    TI_TRY(ti_gguf_get_f32(gguf, "general.sampling.min_p", false, &o.min_p, err));
    TI_TRY(ti_gguf_get_f32(gguf, "general.sampling.penalty_repeat", false, &o.repeat_penalty,
                           err));
    TI_TRY(ti_gguf_get_u32(gguf, "general.sampling.penalty_last_n", false, &o.penalty_last_n,
                           err));
    tern_err why;
    if (ti_sampler_init(&checked, &o, &why) != TERN_OK) {
        return ti_fail(err, TERN_CORRUPT, module, TI_NO_OFFSET, "general.sampling: %s",
                       why.message);
    }
    *out = o;
    return TERN_OK;
}

void tern_model_recommended_sampler(const tern_model *model, tern_sampler_opts *out)
{
    *out = model->recommended;
}
