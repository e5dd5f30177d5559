#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same requests to Apache Kafka 4.4.0 and to Strom, and the answers compared field by field. README.md says how to add a case.

usage: twin.py [--show] [WORD...]     only cases whose `file: title` has one of the words; --show prints what Kafka answered"""
import collections
import concurrent.futures
import fnmatch
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))
import message  # noqa: E402
import node  # noqa: E402
import side  # noqa: E402


class Case:
    def __init__(self, file, number, values, apis):
        known = {"case", "like", "with", "api", "versions", "listener", "before", "request", "hex", "after", "answer", "words", "remember", "until", "on", "only"}
        if set(values) - known:
            raise ValueError(f"{file}: {values.get('case')}: unknown words {set(values) - known}")
        self.title, self.api, self.listener = f"{file}: {values['case']}", values["api"], values.get("listener", "broker")
        self.topic = f"{file.replace('_', '-')}{number}"
        self.variables = values.get("with", {})
        tested = {name: values[name] for name in ("api", "request", "hex", "answer", "words", "remember", "until", "on", "only") if name in values}
        self.steps = values.get("before", []) + [tested] + values.get("after", [])
        first, last = apis[self.api].request.versions
        if "versions" in values and not isinstance(values["versions"], list):
            given = message.schemac.parse_versions(str(values["versions"]))
            first, last = max(first, given[0]), min(last, given[1])
        self.versions = values["versions"] if isinstance(values.get("versions"), list) else list(range(first, last + 1))


def load_cases(apis, words):
    """[(settings, disk, [Case])]: files with the same broker settings and disk share the two brokers"""
    groups = collections.OrderedDict()
    for file in sorted(os.listdir(os.path.join(HERE, "cases"))):
        name, templates, settings, disk = file.rsplit(".", 1)[0], {}, {}, None
        with open(os.path.join(HERE, "cases", file), encoding="utf-8") as lines:
            text = "".join("\n" if line.lstrip().startswith("#") else line for line in lines).strip()
        at, number = 0, 0
        while at < len(text):
            try:
                values, at = json.JSONDecoder().raw_decode(text, at)
            except json.JSONDecodeError as error:
                raise ValueError(f"{file}, line {error.lineno}: {error.msg}") from None
            at += len(text[at:]) - len(text[at:].lstrip())
            if "settings" in values or "disk" in values:
                settings, disk = values.get("settings", {}), values.get("disk")
                continue
            if "template" in values:
                templates[values.pop("template")] = values
                continue
            for like in values.get("like") if isinstance(values.get("like"), list) else [values.get("like")]:
                number += 1
                template = templates[like] if like else {}
                whole = {**template, **values, "with": {**template.get("with", {}), **values.get("with", {})}}
                whole["case"] += f", {like}" if isinstance(values.get("like"), list) else ""
                case = Case(name, number, whole, apis)
                if not words or any(word in case.title for word in words):
                    groups.setdefault(json.dumps([settings, disk], sort_keys=True), []).append(case)
    return [(*json.loads(key), cases) for key, cases in groups.items()]


class Differences:
    """The intended ones, a line each: `case | versions | path | Kafka's value | ours | reason`; * stands for anything."""

    def __init__(self):
        self.rows, self.used = [], collections.Counter()
        with open(os.path.join(HERE, "differences"), encoding="utf-8") as lines:
            for line in lines:
                if line.strip() and not line.startswith("#"):
                    self.rows.append([part.strip() for part in line.split("|", 5)])

    def allow(self, case, version, path, theirs, ours):
        for number, (title, versions, pattern, kafka, strom, _) in enumerate(self.rows):
            span = message.schemac.parse_versions(versions) if versions != "*" else (0, 99)
            if (fnmatch.fnmatchcase(case.title, title) and span[0] <= version <= span[1] and fnmatch.fnmatchcase(path, pattern)
                    and fnmatch.fnmatchcase(json.dumps(theirs), kafka) and fnmatch.fnmatchcase(json.dumps(ours), strom)):
                self.used[number] += 1
                return True
        return False

    def unused(self):
        return [" | ".join(row) for number, row in enumerate(self.rows) if not self.used[number]]


def served_by_both(answers):
    """ApiVersions: what only Kafka serves yet is left out; its ranges are compared for the rest"""
    ours = {one["api_key"] for _, (api, _, strom) in answers if api == "api_versions" and isinstance(strom, dict) for one in strom["api_keys"]}
    for (api, _, kafka), _ in answers:
        if api == "api_versions" and isinstance(kafka, dict):
            kafka["api_keys"] = [one for one in kafka["api_keys"] if one["api_key"] in ours]
    return answers


def keyed(values):
    """{identity: struct} when all have one of their own, such as the names of settings"""
    found = {next((str(one[name]) for name in side.IDENTITY if one.get(name) is not None), None): one for one in values if isinstance(one, dict)}
    return found if len(found) == len(values) and None not in found else None


def differ(theirs, ours, path=""):
    """[(path, Kafka's value, ours)]"""
    if isinstance(theirs, list) and isinstance(ours, list):
        by_name = keyed(theirs), keyed(ours)
        if None not in by_name:
            theirs, ours = by_name
        elif len(theirs) == len(ours):
            return [found for i, (a, b) in enumerate(zip(theirs, ours)) for found in differ(a, b, f"{path}.{i}".lstrip("."))]
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [found for key in sorted(set(theirs) | set(ours))
                for found in differ(theirs.get(key, "(not there)"), ours.get(key, "(not there)"), f"{path}.{key}".lstrip("."))]
    return [] if theirs == ours else [(path, theirs, ours)]


def errors_in(answer):
    """every error code in an answer"""
    if isinstance(answer, list):
        return [code for one in answer for code in errors_in(one)]
    if isinstance(answer, dict):
        own = [value for name, value in answer.items() if name.endswith("error_code")]
        return own + [code for value in answer.values() if isinstance(value, (dict, list)) for code in errors_in(value)]
    return []


def error_names():
    with open(os.path.join(node.ROOT, "schemas", "errors"), encoding="utf-8") as lines:
        return {int(line.split()[0]): line.split()[1] for line in lines if line.strip() and not line.startswith("#")}


class Twin:
    def __init__(self, apis, show):
        self.apis, self.show, self.differences = apis, show, Differences()
        self.counts = collections.defaultdict(collections.Counter)       # (api, error) -> version -> answers
        self.names, self.passed, self.failures = error_names(), 0, []
        self.pair = concurrent.futures.ThreadPoolExecutor(2)             # both brokers are asked at the same time

    def fail(self, text, count=1):
        """told at once, and once more below the table"""
        print(f"FAIL  {text}", flush=True)
        self.failures += [(text, count)]

    def run_group(self, settings, disk, cases):
        theirs, ours = side.Side("kafka", settings, disk, self.apis), side.Side("strom", settings, disk, self.apis)
        with theirs.node, ours.node:
            theirs.start(), ours.start()
            theirs.ready(), ours.ready()
            for case in cases:
                start, failures = time.monotonic(), collections.OrderedDict()
                for version in case.versions:
                    found = self.run_case(case, version, theirs, ours)
                    self.passed += not found
                    if found:
                        failures.setdefault("\n".join(found).replace(f"{case.topic}-v{version}", "$t"), []).append(version)
                for text, versions in failures.items():
                    self.fail(f"{case.title}, version {', '.join(map(str, versions))}\n{text}", len(versions))
                if self.show or time.monotonic() - start > 5:
                    print(f"      {case.title}: {time.monotonic() - start:.1f} s")

    def run_case(self, case, version, theirs, ours):
        """what differs and should not, a line each"""
        try:
            answers = served_by_both(list(zip(*self.pair.map(lambda one: one.run(case, version), (theirs, ours)))))
        except Exception as error:  # noqa: BLE001 - every failure is shown and counted
            return [f"      {type(error).__name__}: {error}"]
        found = []
        for number, ((api, sent, kafka), (_, _, strom)) in enumerate(answers):
            for code in set(errors_in(kafka) or [kafka if isinstance(kafka, str) else 0]):
                self.counts[api, self.names.get(code, code)][sent] += 1
            if self.show:
                print(f"{case.title} v{version}, {api} v{sent}: {json.dumps(kafka)}")
            found += [(f"{number}.{path}" if len(answers) > 1 else path, a, b) for path, a, b in differ(kafka, strom)]
        return [f"      {path or 'answer'}: Kafka {json.dumps(a)[:500]}, Strom {json.dumps(b)[:500]}" for path, a, b in found
                if not self.differences.allow(case, version, path, a, b)][:12]

    def table(self):
        print("\nanswers by API, error class and version (as Kafka gave them)")
        for (api, code), versions in sorted(self.counts.items(), key=lambda one: (one[0][0], str(one[0][1]))):
            print(f"  {api:32} {code!s:34} " + " ".join(f"v{version}:{count}" for version, count in sorted(versions.items())))
        print(f"{len({api for api, _ in self.counts})} APIs, {len({(api, v) for (api, _), found in self.counts.items() for v in found})} API versions, "
              f"{sum(len(found) for found in self.counts.values())} API x version x error class")


def main(arguments):
    show, words = "--show" in arguments, [word for word in arguments if word != "--show"]
    apis = message.load()
    message.check_golden(apis)
    twin = Twin(apis, show)
    for settings, disk, cases in load_cases(apis, words):
        twin.run_group(settings, disk, cases)
    twin.table()
    for row in [] if words else twin.differences.unused():
        twin.fail(f"an intended difference that is none any more: {row}")
    for text, _ in twin.failures:
        print(f"FAIL  {text}")
    print(f"{twin.passed} passed, {sum(count for _, count in twin.failures)} failed")
    return 1 if twin.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
