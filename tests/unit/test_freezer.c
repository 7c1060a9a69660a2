/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups on a made-up tree: which is ours, whether it was given to us, what is written.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/freezer.h"

static char root[64], self[96], group[128], ours[160], freeze[192], procs[192];

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void content_is(const char *path, const char *want)
{
    char text[32] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_string_equal(text, want);
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "%s/tern-freezer-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(root));
    snprintf(self, sizeof self, "%s/self", root);
    snprintf(group, sizeof group, "%s/mine", root);
    snprintf(ours, sizeof ours, "%s/job", group);
    snprintf(freeze, sizeof freeze, "%s/cgroup.freeze", ours);
    snprintf(procs, sizeof procs, "%s/cgroup.procs", ours);
    assert_int_equal(mkdir(group, 0700), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)rmdir(group);
    (void)unlink(self);
    return rmdir(root);
}

static void test_none(void **state)
{
    ti_freezer f;
    (void)state;
    assert_false(ti_freezer_open(&f, root, "/nowhere", "job"));
    write_file(self, "1:name=systemd:/mine\n"); /* version 1 only */
    assert_false(ti_freezer_open(&f, root, self, "job"));
    write_file(self, "0::/absent\n");
    assert_false(ti_freezer_open(&f, root, self, "job"));
    assert_false(ti_freezer_set(&f, true));
    ti_freezer_enter(&f);
    ti_freezer_close(&f);
}

static void test_given(void **state)
{
    ti_freezer f;
    (void)state;
    write_file(self, "12:pids:/other\n0::/mine\n");
    if (geteuid() == 0) { /* root's own group is not one that was given to it */
        assert_false(ti_freezer_open(&f, root, self, "job"));
        assert_int_equal(seteuid(65534), 0);
        assert_false(ti_freezer_open(&f, root, self, "job")); /* nor is somebody else's */
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(chmod(root, 0755), 0);
        assert_int_equal(chown(group, 65534, (gid_t)-1), 0);
        assert_int_equal(seteuid(65534), 0);
    }
    assert_true(ti_freezer_open(&f, root, self, "job"));
    assert_false(ti_freezer_set(&f, true)); /* a kernel would have made the file */
    write_file(freeze, "0");
    write_file(procs, "");
    assert_true(ti_freezer_set(&f, true));
    content_is(freeze, "1");
    assert_true(ti_freezer_set(&f, false));
    content_is(freeze, "0");
    ti_freezer_enter(&f);
    content_is(procs, "0");
    assert_int_equal(unlink(freeze), 0);
    assert_int_equal(unlink(procs), 0);
    ti_freezer_close(&f);
    assert_int_not_equal(access(ours, F_OK), 0);
    if (getuid() == 0) {
        assert_int_equal(seteuid(0), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_given),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
