/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serving.h"

#include "cli/out.h"

static bool interrupted(void *user)
{
    (void)user;
    return ti_interrupted() != 0;
}

tern_status ti_serve(const ti_web_opts *opts, const char *before, tern_err *err)
{
    ti_web *web;
    ti_web_opts own = *opts;
    own.stop = own.stop ? own.stop : interrupted;
    ti_interrupt_catch(); /* whoever reads the address may send a signal at once */
    TI_TRY(ti_web_open(&web, &own, err));
    ti_printf("%s%s\n", before, ti_web_url(web));
    tern_status status = ti_out_finish(err);
    if (status == TERN_OK) {
        status = ti_web_run(web, err);
    }
    ti_web_close(web);
    return status;
}
