# SPDX-License-Identifier: Apache-2.0
"""Goal: the checks of tools/lint refuse what they are for and let the rest pass.

Method: small trees in a temporary folder, one fault each.
"""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tools/lint"))

import docs
import layers
import size

LAYERS = """\
interfaces      :
sdk             : interfaces
plugins/*       : interfaces sdk
kernel/base     : interfaces
kernel/raft     : kernel/base
kernel/host     : kernel/base
kernel/main     : kernel/*
plugins/* (tests) : kernel/host
pure kernel/raft except edge.cc
"""
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


class Tree(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.write("LAYERS", LAYERS)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return pathlib.Path(name)


class LayersTest(Tree):
    def problems(self, name, text, layers_text=LAYERS):
        self.write("LAYERS", layers_text)
        return layers.check(self.root, [self.write(name, text)])

    def test_allowed_includes_pass(self):
        self.assertEqual(self.problems("kernel/raft/a.cc", '#include "kernel/base/b.h"\n#include "kernel/raft/c.h"\n'), [])
        self.assertEqual(self.problems("plugins/x/a.cc", "#include <chronik/abi.h>\n#include <chronik/sdk/guard.h>\n"), [])
        self.assertEqual(self.problems("kernel/main/a.cc", '#include "kernel/raft/b.h"\n#include <boost/x.hpp>\n'), [])

    def test_each_forbidden_direction_is_refused_with_its_line(self):
        for name, include in [("kernel/raft/a.cc", "<chronik/abi.h>"), ("kernel/base/a.cc", "<chronik/sdk/guard.h>"),
                              ("plugins/x/a.cc", '"plugins/y/b.h"'), ("plugins/x/a.cc", '"kernel/base/b.h"'),
                              ("kernel/base/a.cc", '"kernel/raft/b.h"'), ("interfaces/chronik/a.h", "<chronik/sdk/x.h>"),
                              ("kernel/host/a.cc", '"kernel/raft/b.h"')]:
            with self.subTest(name=name, include=include):
                found = self.problems(name, f"// comment\n#  include {include}\n")
                self.assertEqual(len(found), 1)
                self.assertIn(f"{name}:2: ", found[0])
                self.assertIn("may not include", found[0])

    def test_only_tests_may_use_what_is_for_tests(self):
        include = '#include "kernel/host/b.h"\n'
        self.assertEqual(self.problems("plugins/x/a_test.cc", include), [])
        self.assertEqual(len(self.problems("plugins/x/a.cc", include)), 1)

    def test_a_folder_outside_is_refused(self):
        self.assertIn("not in LAYERS", self.problems("kernel/new/a.cc", "")[0])
        self.assertEqual(len(self.problems("plugins/x/deep/a.cc", '#include "kernel/base/b.h"\n')), 1)

    def test_a_cycle_is_refused(self):
        text = LAYERS.replace("kernel/base     : interfaces", "kernel/base     : kernel/host")
        self.assertIn("a cycle: kernel/base -> kernel/host -> kernel/base", self.problems("kernel/base/a.cc", "", text)[0])

    def test_pure_folders_have_no_side_effects(self):
        for line in ["#include <thread>", "#include <mutex>", "#include <boost/asio.hpp>", "#include <glog/logging.h>",
                     "#include <sys/socket.h>", "auto t = std::chrono::steady_clock::now();", "std::random_device d;",
                     "CHRONIK_LOG(kInfo) << 1;", 'auto v = getenv("X");']:
            with self.subTest(line=line):
                self.assertIn("is pure", self.problems("kernel/raft/a.cc", line + "\n")[0])
                self.assertEqual(self.problems("kernel/raft/edge.cc", line + "\n"), [])
                self.assertEqual(self.problems("kernel/raft/a_test.cc", line + "\n"), [])
        self.assertEqual(self.problems("kernel/raft/a.cc", '// steady_clock::now()\nauto s = "CHRONIK_LOG";\n'), [])

    def test_nonsense_in_the_table_is_refused(self):
        self.assertIn("LAYERS:1", self.problems("kernel/raft/a.cc", "", "what is this\n" + LAYERS)[0])
        self.assertIn("twice", self.problems("kernel/raft/a.cc", "", LAYERS + "sdk : interfaces\n")[0])


class SizeTest(Tree):
    def lengths(self, text):
        return [length for _, length in size.functions(text)]

    def test_functions_are_measured_whatever_surrounds_them(self):
        body = "  x();\n" * 10
        for head in ["void F() {", "int C::F(int a) const noexcept {", "C::C(int a) : a_(a), b_{a} {", "auto F() -> int {",
                     "template <class T>\nvoid F(T t) {", "class C : public B {\n void F() override {", "bool operator()() {",
                     "namespace {\nvoid F(const std::map<int, int>& m = {}) {", 'extern "C" int F(void) CHR_NX {',
                     "TEST(Suite, Name) {", "C::C()\n    : a_{1},\n      b_(std::move(c)) {"]:
            with self.subTest(head=head):
                extra = "" if head.count("{") - head.count("}") == 1 else "}\n"
                found = self.lengths(f"struct S {{ int x; }};\nint y = 0;\n{head}\n{body}}}\n{extra}")
                lines_of_head = len(head.split("\n")) - (1 if "class C" in head or "namespace" in head else 0)
                self.assertEqual(found, [11 + lines_of_head])

    def test_tables_types_and_text_are_no_functions(self):
        self.assertEqual(self.lengths("constexpr int k[] = {\n1,\n2};\nstruct S {\nint a;\n};\nenum class E {\nkA };\n"), [])
        self.assertEqual(self.lengths('const char* k = "void F() {";\n// void F() {\n/* } */\n#define M() {\n'), [])
        self.assertEqual(self.lengths('const char* k = R"(void F() { " )";\nvoid F() {\n char c = \'{\';\n}\n'), [3])

    def test_a_lambda_counts_with_its_function(self):
        self.assertEqual(self.lengths("void F() {\n  g([] {\n    h();\n  });\n}\n"), [5])

    def check(self, name, text, cmake):
        self.write(f"{pathlib.Path(name).parent}/CMakeLists.txt", cmake)
        return size.check(self.root, [self.write(name, text)])

    def test_a_good_file_passes_and_each_fault_is_named(self):
        cmake = "# L0: for this test.\nchronik_test(a SOURCES a_test.cc)\n"
        good = SPDX + "void F() {\n" + "  x();\n" * 68 + "}\n"
        self.assertEqual(self.check("kernel/a/a_test.cc", good, cmake), [])
        long_function = good.replace("{\n", "{\n  x();\n")
        self.assertIn("a_test.cc:2: a function of 71 lines", self.check("kernel/a/a_test.cc", long_function, cmake)[0])
        self.assertIn("601 lines", self.check("kernel/a/a_test.cc", SPDX + "\n" * 600, cmake)[0])
        self.assertIn("SPDX", self.check("kernel/a/a_test.cc", "// nothing\n", cmake)[0])
        self.assertIn("no CMakeLists.txt names", self.check("kernel/a/a_test.cc", good, "# L0\n")[0])
        self.assertIn("no CMakeLists.txt names", self.check("kernel/a/a_test.cc", good, "# L0\n# a_test.cc\n")[0])
        self.assertIn("what the folder is for", self.check("kernel/a/a_test.cc", good, cmake.split("\n", 1)[1])[0])

    def test_sources_named_by_a_loop_are_named(self):
        loop = "# Fixtures.\nforeach(name IN ITEMS one two)\n  add_library(${name} MODULE ${name}.c)\nendforeach()\n"
        self.assertEqual(self.check("kernel/a/one.c", SPDX, loop), [])
        self.assertEqual(len(self.check("kernel/a/three.c", SPDX, loop)), 1)

    def test_python_is_measured_too(self):
        path = self.write("tools/x.py", "# SPDX-License-Identifier: Apache-2.0\ndef f():\n" + "    x()\n" * 70)
        self.assertTrue(any("a function of 71 lines" in problem for problem in size.check(self.root, [path])))


class DocsTest(Tree):
    def test_packages_need_a_reason_and_reasons_a_package(self):
        self.write("tools/packages.txt", "# [build]\ng++\ncmake\n")
        self.write("docs/dependencies.md", "| package | why |\n|---|---|\n| `g++` | `not this` |\n| `ninja` | x |\n")
        found = list(docs.check_packages(self.root))
        self.assertEqual(len(found), 2)
        self.assertIn("the package cmake", found[0])
        self.assertIn("names ninja", found[1])

    def test_the_manual_must_be_what_the_program_prints(self):
        self.write("chronikd", "#!/bin/sh\necho manual\n")
        (self.root / "chronikd").chmod(0o755)
        program = self.root / "chronikd"
        self.assertEqual(len(list(docs.check_generated(self.root, docs.MANUAL, program, "--generate-config-docs", False))), 1)
        self.write("docs/configuration.md", "manual\n")
        self.assertEqual(list(docs.check_generated(self.root, docs.MANUAL, program, "--generate-config-docs", False)), [])
        self.write("docs/configuration.md", "older\n")
        self.assertEqual(list(docs.check_generated(self.root, docs.MANUAL, program, "--generate-config-docs", True)), [])


if __name__ == "__main__":
    unittest.main()
