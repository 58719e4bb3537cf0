//! `policy test`: the policy's own tests, and which rules they leave out.

use jit_ca_policy::{Bundle, run_tests, untested};
use serde::Serialize;

use crate::command::Context;
use crate::error::{Error, Result};

#[derive(Serialize)]
struct TestsView {
    tests: Vec<TestView>,
    rules: usize,
    untested_rules: Vec<RuleView>,
}

#[derive(Serialize)]
struct TestView {
    path: String,
    line: usize,
    case: String,
    passed: bool,
    expected: String,
    text: String,
}

#[derive(Serialize)]
struct RuleView {
    id: String,
    path: String,
    line: usize,
}

pub(super) fn run(context: &Context, bundle: &Bundle, require_coverage: bool) -> Result<()> {
    let results = run_tests(bundle);
    let untested = untested(bundle, &results);
    let view = TestsView {
        tests: results
            .iter()
            .map(|result| TestView {
                path: result.path.clone(),
                line: result.line,
                case: result.case.clone(),
                passed: result.passed,
                expected: result.expected.clone(),
                text: result.to_string(),
            })
            .collect(),
        rules: bundle.rules().count(),
        untested_rules: untested
            .iter()
            .map(|rule| RuleView {
                id: rule.id().to_owned(),
                path: rule.path().to_owned(),
                line: rule.line(),
            })
            .collect(),
    };
    let failed = results.iter().filter(|result| !result.passed).count();
    context.printer.data(&view, |view| text(view, failed));
    let missing = view.untested_rules.len();
    let what = match (failed, missing) {
        (0, 0) => return Ok(()),
        (0, _) if !require_coverage => return Ok(()),
        (0, _) => format!("{missing} of {} rules are touched by no test", view.rules),
        _ => format!("{failed} of {} policy tests failed", results.len()),
    };
    Err(Error::Policy { what, is_readable: true })
}

fn text(view: &TestsView, failed: usize) -> String {
    let mut lines: Vec<String> = view.tests.iter().map(|test| test.text.clone()).collect();
    let untested = view.untested_rules.iter();
    lines.extend(untested.map(|RuleView { id, path, line }| {
        format!("{path}:{line}: no test touches the rule {id}")
    }));
    let (tests, rules) = (view.tests.len(), view.rules);
    let touched = rules - view.untested_rules.len();
    lines.push(format!("{tests} tests, {failed} failed; {touched} of {rules} rules touched"));
    lines.join("\n")
}
