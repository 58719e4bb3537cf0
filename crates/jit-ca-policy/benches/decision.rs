//! What a decision costs among 100 rules: `cargo bench -p jit-ca-policy`.
//!
//! `fastest` is the column to compare: what else a machine does can only add to it.

fn main() {
    divan::main();
}

#[cfg(test)]
mod hundred_rules {
    use std::fmt::Write as _;
    use std::sync::atomic::{AtomicU64, Ordering};

    use divan::Bencher;
    use jit_ca_core::{Action, Facts, Means, Span, UnixTime};
    use jit_ca_policy::{Bundle, SourceFile, decide};

    /// 30 roles with 3 rules each, and 10 that hold for all of them.
    fn bundle() -> Bundle {
        let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
        let mut users = String::new();
        for number in 0..50 {
            writeln!(
                users,
                "[[person]]\nid = \"u-{number}\"\nname = \"p{number}\"\ngroups = [\"dev\", \"sre\"]"
            )
            .unwrap();
        }
        let mut files = vec![file("users.toml", &users)];
        let mut rules = String::new();
        for number in 0..30 {
            let role = "description = \"One of many\"\nhosts = [\"web1\", \"web2\"]\n\
                        default = \"1h\"\nlongest = \"4h\"\n\
                        [[approvals]]\ncount = 1\nfrom = [\"sre\"]\n\
                        [[ssh]]\ntag = \"web\"\nlogin = \"deploy\"\n";
            files.push(file(&format!("roles/r{number}.toml"), role));
            for action in ["request", "approve", "issue"] {
                writeln!(
                    rules,
                    "@id(\"{action}-{number}\") permit (principal in Group::\"dev\", \
                     action == Action::\"{action}\", resource == Role::\"r{number}\");"
                )
                .unwrap();
            }
        }
        for number in 0..10 {
            writeln!(
                rules,
                "@id(\"general-{number}\") forbid (principal, action in [Action::\"request\", \
                 Action::\"issue\"], resource is Role) when {{ context has mfa_age && context.mfa_age > duration(\"9h\") \
                 || context.source_address.isInRange(ip(\"203.0.113.{number}/32\")) }};"
            )
            .unwrap();
        }
        files.push(file("policies/rules.cedar", &rules));
        Bundle::parse(files).unwrap_or_else(|faults| panic!("{faults}"))
    }

    fn facts(action: Action) -> Facts {
        let now: UnixTime = "2026-07-01T08:00:00Z".parse().unwrap();
        Facts {
            action,
            subject: "local/u-7".parse().unwrap(),
            now,
            address: "192.0.2.1".parse().unwrap(),
            mfa_at: Some(now.minus("1m".parse().unwrap())),
            means: Means::default(),
            role: Some("r7".parse().unwrap()),
            requester: Some("local/u-7".parse().unwrap()),
            hosts: Some("web1".parse().unwrap()),
            duration: Some("1h".parse().unwrap()),
            reason: Some("INC-1".parse().unwrap()),
            ticket: None,
        }
    }

    /// Each with another age of the second factor, which rules look at: no answer is known.
    #[divan::bench]
    fn issue(bencher: Bencher<'_, '_>) {
        let (bundle, facts) = (bundle(), facts(Action::Issue));
        assert_eq!(bundle.rules_looked_at(Action::Issue, facts.role.as_ref()), 11);
        let calls = AtomicU64::new(0);
        bencher
            .with_inputs(|| {
                let age = Span::from_secs(calls.fetch_add(1, Ordering::Relaxed) % 30_000);
                Facts { mfa_at: Some(facts.now.minus(age)), ..facts.clone() }
            })
            .bench_refs(|facts| decide(&bundle, facts));
    }

    #[divan::bench]
    fn issue_asked_before(bencher: Bencher<'_, '_>) {
        let (bundle, facts) = (bundle(), facts(Action::Issue));
        assert!(decide(&bundle, &facts).allows());
        bencher.bench(|| decide(&bundle, &facts));
    }

    #[divan::bench]
    fn load(bencher: Bencher<'_, '_>) {
        bencher.bench(bundle);
    }
}
