# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Tests of the comparison itself, with none of the quantizers: python3 test_peers.py"""
import array
import gzip
import itertools
import math
import os
import pathlib
import random
import struct
import sys
import tempfile
import types
import unittest

import figures
import jobs
import report
import tools


def rows(*samples):
    return figures.Rows(array.array("f", itertools.chain(*samples)), len(samples))


class InFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class McNemar(unittest.TestCase):
    def test_counts_only_pairs_that_differ(self):
        ours, theirs = [1, 1, 0, 0, 1, 1], [1, 0, 1, 0, 0, 0]
        self.assertEqual(figures.mcnemar(ours, theirs)[:2], (3, 1))

    def test_known_value(self):
        # 2 * (1 + 12 + 66) / 2^12
        p = figures.mcnemar([1] * 10 + [0] * 2, [0] * 10 + [1] * 2)[2]
        self.assertAlmostEqual(p, 2 * 79 / 4096, places=12)

    def test_equals_enumeration(self):
        """All 2^n ways that n differing pairs can fall; how many are at least as uneven?"""
        for n in range(1, 11):
            for k in range(n + 1):
                uneven = sum(abs(2 * sum(way) - n) >= abs(2 * k - n)
                             for way in itertools.product((0, 1), repeat=n))
                p = figures.mcnemar([1] * k + [0] * (n - k), [0] * k + [1] * (n - k))[2]
                self.assertAlmostEqual(p, uneven / 2 ** n, places=12, msg=f"{k} of {n}")

    def test_doesnt_depend_on_sides_or_order(self):
        rng = random.Random(7)
        pairs = [(rng.random() < 0.9, rng.random() < 0.85) for _ in range(3000)]
        ours, theirs = zip(*pairs)
        there, back = figures.mcnemar(ours, theirs), figures.mcnemar(theirs, ours)
        self.assertEqual((there[1], there[0], there[2]), back)
        rng.shuffle(pairs)
        self.assertEqual(figures.mcnemar(*zip(*pairs)), there)

    def test_no_difference_is_no_evidence(self):
        self.assertEqual(figures.mcnemar([1, 0], [1, 0]), (0, 0, 1.0))

    def test_large_counts_dont_overflow(self):
        p = figures.mcnemar([1] * 5000 + [0] * 4000, [0] * 5000 + [1] * 4000)[2]
        self.assertTrue(0 < p < 1e-20)

    def test_refuses_unequal_lengths(self):
        self.assertRaises(ValueError, figures.mcnemar, [1], [1, 0])


class Sqnr(unittest.TestCase):
    def test_known_value(self):
        # Signal 9 + 16, noise 0.25
        self.assertAlmostEqual(figures.sqnr_db(rows([3, 4]), rows([3.5, 4])), 20.0, places=6)

    def test_ten_times_the_noise_is_twenty_decibels_less(self):
        rng = random.Random(1)
        a = [rng.uniform(-1, 1) for _ in range(1000)]
        noise = [rng.uniform(-1, 1) for _ in a]
        db = [figures.sqnr_db(rows(a), rows([x + s * n for x, n in zip(a, noise)]))
              for s in (0.001, 0.01)]
        self.assertAlmostEqual(db[0] - db[1], 20, places=2)

    def test_edges(self):
        self.assertEqual(figures.sqnr_db(rows([1, 2]), rows([1, 2])), 200)
        self.assertTrue(math.isnan(figures.sqnr_db(rows([0, 0]), rows([1, 0]))))
        self.assertTrue(math.isnan(figures.sqnr_db(rows([1, 2]), rows([1, math.nan]))))
        self.assertRaises(ValueError, figures.sqnr_db, rows([1]), rows([1, 2]))


class Judge(unittest.TestCase):
    def test_classes(self):
        self.assertEqual(figures.classes(rows([1, 3, 3], [math.nan, -1, -2])), [1, 1])

    def test_with_labels(self):
        wanted, got = rows([1, 0], [1, 0], [0, 1], [0, 1]), rows([1, 0], [0, 1], [0, 1], [1, 0])
        judged, right = figures.judge(got, wanted, [0, 1, 1, 1])
        self.assertEqual(right, [True, True, True, False])
        self.assertEqual((judged["top1"], judged["loss"], judged["agreement"]), (0.75, 0.0, 0.5))
        self.assertEqual((judged["only_float"], judged["not_float"]), (1, 1))

    def test_without_labels_the_float_network_is_right(self):
        judged, right = figures.judge(rows([1, 0], [0, 1]), rows([1, 0], [1, 0]), None)
        self.assertEqual((right, judged["agreement"]), ([True, False], 0.5))
        self.assertNotIn("top1", judged)

    def test_refuses_missing_labels(self):
        self.assertRaises(ValueError, figures.judge, rows([1, 0]), rows([1, 0]), [0, 0])


class Files(InFolder):
    def test_npy_round_trip(self):
        path = self.folder / "a.npy"
        values = array.array("f", [0.5, -1.25, 3e38, math.inf, 0, 1])
        figures.write_npy(path, values, (2, 3))
        back = figures.read_npy(path)
        self.assertEqual((back.values, len(back), back.width), (values, 2, 3))
        # The elements begin at a multiple of 64, as the format wants it.
        self.assertEqual((os.path.getsize(path) - 24) % 64, 0)

    def test_npy_cut_off_or_of_another_type(self):
        path = self.folder / "a.npy"
        figures.write_npy(path, [1.0, 2.0], (2, 1))
        good = path.read_bytes()
        for bad in (good[:-4], good.replace(b"<f4", b"<i4"), b"?" + good):
            path.write_bytes(bad)
            self.assertRaises(ValueError, figures.read_npy, path)

    def test_joined_by_number(self):
        for i in (10, 9, 0):
            figures.write_npy(self.folder / f"t[1].npy[{i}].logits.x.npy", [float(i)], (1, 1))
        figures.join_npy(self.folder, self.folder.with_suffix(".npy"))
        self.addCleanup(os.remove, self.folder.with_suffix(".npy"))
        self.assertEqual(list(figures.read_npy(self.folder.with_suffix(".npy")).values), [0, 9, 10])

    def test_joins_one_output_only(self):
        for name in ("s[0].a.npy", "s[0].b.npy"):
            figures.write_npy(self.folder / name, [1.0], (1, 1))
        self.assertRaises(ValueError, figures.join_npy, self.folder, self.folder / "out")

    def test_labels(self):
        path = self.folder / "labels.gz"
        with gzip.open(path, "wb") as f:
            f.write(struct.pack(">II", 0x801, 3) + bytes([4, 0, 9]))
        self.assertEqual(figures.read_labels(path), [4, 0, 9])
        with gzip.open(path, "wb") as f:
            f.write(struct.pack(">II", 0x801, 4) + bytes([4, 0, 9]))
        self.assertRaises(ValueError, figures.read_labels, path)


class Run(InFolder):
    LIMITS = {"seconds": 60, "mib": 1000}

    def run_python(self, code, **limits):
        return jobs.run([sys.executable, "-c", code], self.folder / "log",
                        {**self.LIMITS, **limits})

    def test_measures(self):
        took = self.run_python("b = bytearray(b'x') * (64 << 20)\nfor i in range(10 ** 6): pass")
        self.assertGreater(took["peak_mib"], 64)
        self.assertGreater(took["cpu_seconds"], 0)

    def test_stops_what_takes_too_long(self):
        with self.assertRaisesRegex(jobs.Failed, "stopped after"):
            self.run_python("import time; time.sleep(60)", seconds=0.2)

    def test_stops_what_takes_too_much_memory_in_a_child(self):
        hungry = "import time; b = bytearray(b'x') * (100 << 20); time.sleep(60)"
        with self.assertRaisesRegex(jobs.Failed, "MiB"):
            self.run_python(f"import subprocess, sys; subprocess.run([sys.executable, '-c', "
                            f"{hungry!r}])", mib=90)

    def test_says_why_it_failed(self):
        with self.assertRaisesRegex(jobs.Failed, "^ValueError: no such scale$"):
            self.run_python("print('harmless')\ntry: raise ValueError('no such scale')\n"
                            "finally: print('last')")
        with self.assertRaisesRegex(jobs.Failed, "no reason given"):
            self.run_python("import sys; sys.exit(1)")


KEEL = """#!/bin/sh
echo run >>"$(dirname "$0")/runs"
while [ $# -gt 0 ]; do [ "$1" = -o ] && touch "$2"; shift; done
exit $(cat "$(dirname "$0")/code")
"""


class Cache(InFolder):
    """A stand-in for the command counts how often it is asked"""

    def setUp(self):
        super().setUp()
        for name, text in (("keel", KEEL), ("code", "0"), ("net", "a"), ("data", "b")):
            (self.folder / name).write_text(text)
        (self.folder / "keel").chmod(0o755)
        self.network = types.SimpleNamespace(onnx=self.folder / "net", preprocess="p", batch=1,
                                             speed=True)

    def result(self, retry=False, granularity="per-tensor"):
        bench = jobs.Bench(str(self.folder / "keel"), self.folder / "cache", self.folder / "work",
                           1, Run.LIMITS, retry)
        return bench.result(tools.KEEL, granularity, self.network, [self.folder / "data"] * 2)[0]

    def runs(self):
        return (self.folder / "runs").read_text().count("run")

    def test_done_once(self):
        first = self.result()
        self.assertEqual((self.result(), self.runs()), (first, 1))

    def test_says_what_it_knows(self):
        bench = jobs.Bench(str(self.folder / "keel"), self.folder / "cache", self.folder / "work",
                           1, Run.LIMITS)
        asked = (tools.KEEL, "per-tensor", self.network, [self.folder / "data"] * 2)
        self.assertFalse(bench.known(*asked))
        self.result()
        self.assertTrue(bench.known(*asked))
        self.assertEqual(self.runs(), 1)

    def test_again_when_something_changed(self):
        self.result()
        for name in ("net", "data"):
            (self.folder / name).write_text("other")
            self.result()
        self.result(granularity="per-channel")
        self.assertEqual(self.runs(), 4)

    def test_two_runs_with_one_result(self):
        self.result()
        place = next((self.folder / "cache" / "results").iterdir())
        jobs.keep(place, place)
        self.assertEqual(list(place.parent.iterdir()), [place])
        self.assertIn("seconds", self.result())
        self.assertEqual(self.runs(), 1)

    def test_failures_are_kept_until_asked(self):
        (self.folder / "code").write_text("1")
        self.assertIn("failed", self.result())
        (self.folder / "code").write_text("0")
        self.assertIn("failed", self.result())
        self.assertIn("seconds", self.result(retry=True))


def row(tool, program="x", **figures_):
    return {"network": "n", "granularity": "per-tensor", "tool": tool, "program": program,
            "speed": False, "sqnr_db": 30.0, "seconds": 1.0, "cpu_seconds": 1.0, "peak_mib": 5.0,
            **figures_}


class Report(unittest.TestCase):
    ROWS = [row("Keel", "keel"),
            row("better", only_keel=1, only_it=20, p=0.001),
            row("cleaner", only_keel=5, only_it=5, p=1.0, sqnr_db=33.0),
            row("worse", only_keel=20, only_it=1, p=0.001, sqnr_db=10.0),
            {"network": "n", "granularity": "per-tensor", "tool": "broken", "program": "y",
             "speed": False, "failed": "a | b"}]

    def test_says_where_keel_is_worse(self):
        worse, better, peers = report.against_keel(self.ROWS)
        self.assertEqual((len(worse), better, peers), (2, 1, 3))
        self.assertIn("better is right 20 times", worse[0])
        self.assertIn("cleaner has 3.0 dB more", worse[1])

    def test_says_who_is_better_than_the_float_network(self):
        rows = [self.ROWS[0], {**self.ROWS[1], "only_float": 2, "not_float": 9, "float_p": 0.065}]
        self.assertIn("float network is wrong it is right 9 times", report.against_keel(rows)[0][0])
        rows[1]["only_float"] = 9
        self.assertNotIn("float network", report.against_keel(rows)[0][0])

    def test_compares_the_time_of_the_same_job(self):
        rows = [row("Keel", "keel", speed=True, job="all", seconds=8.0),
                row("Keel, less", "keel", speed=True, job="less", seconds=2.0),
                row("it", speed=True, job="less", slower=3.0, larger=5.0)]
        self.assertEqual(report.slow(rows), ["n, per-tensor, less: Keel 2.0 s and 5 MiB; "
                                             "it 3.0 times the time and 5.0 times the memory."])

    def test_a_failure_is_one_row(self):
        self.assertIn("broken", report.text(self.ROWS))
        self.assertIn("failed: a | b", report.text(self.ROWS))
        self.assertIn("failed: a \\| b |", report.markdown_tables(self.ROWS))

    def test_page_leaves_no_word_of_the_template(self):
        template = (pathlib.Path(report.__file__).parent / "page.md").read_text()
        setting = {"versions": ["ort: onnx 1"], "pictures": 1000, "machine": "m", "threads": 1,
                   "load": 0.5, "limits": Run.LIMITS, "left_out": [], "date": "2026-01-01"}
        page = report.markdown(self.ROWS, setting, template)
        self.assertNotRegex(page, r"@\w+@")
        self.assertIn("the first 1,000 test pictures", page)
        self.assertIn("| better |", page)

    def test_all_forms_have_all_rows(self):
        self.assertEqual(report.as_csv(self.ROWS).count("\n"), 1 + len(self.ROWS))
        self.assertEqual(report.as_json(self.ROWS, {}).count('"tool"'), len(self.ROWS))


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=0).result
    # The form that tests/run counts.
    print(f"Checks: {result.testsRun}, Failures: {len(result.failures)}, "
          f"Errors: {len(result.errors)}")
    sys.exit(not result.wasSuccessful())
