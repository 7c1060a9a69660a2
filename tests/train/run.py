# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of one file.  Exit status 77 and the reason where every one was skipped."""
import importlib.util
import sys
import unittest


def main(path):
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location("tests_of_one_file", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    suite = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(stream=sys.stdout).run(suite)
    # As the programs in C say it, so that `./dev test` counts both.
    passed = result.testsRun - sum(map(len, (result.skipped, result.failures, result.errors)))
    print(f"[  PASSED  ] {passed} test(s).")
    if result.skipped:
        print(f"[  SKIPPED ] {len(result.skipped)} test(s).")
        print("SKIPPED:", "; ".join(sorted({reason for _, reason in result.skipped})))
    if not result.wasSuccessful() or not result.testsRun:
        return 1
    return 77 if len(result.skipped) == result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
