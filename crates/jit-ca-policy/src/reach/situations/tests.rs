use jit_ca_core::Action;

use super::*;
use crate::{Bundle, SCHEMA, SourceFile};

fn bundle() -> Bundle {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let role = "description = \"A role\"\nhosts = [\"web1\", \"web2\"]\ndefault = \"1h\"\nlongest = \"4h\"\n\
                [[approvals]]\ncount = 1\nfrom = [\"dev\"]\n\
                [[ssh]]\ntag = \"web\"\nlogin = \"deploy\"\n";
    let people = "[[person]]\nid = \"u-1\"\nname = \"alice\"\ngroups = [\"dev\"]\n";
    let files = [("users.toml", people), ("roles/web.toml", role)];
    Bundle::parse(files.map(|(path, text)| file(path, text))).unwrap()
}

/// The situations of a rule with this condition.
fn situations(condition: &str) -> Situations {
    let rule = format!("permit (principal, action, resource) when {{ {condition} }};");
    let looks = Looks::of(&rule.parse().unwrap()).unwrap();
    let bundle = bundle();
    let roles: Vec<&Role> = bundle.roles().collect();
    let requesters = vec!["local/u-1".parse().unwrap()];
    Situations::new(&looks, &roles, requesters, &TimeZone::UTC)
}

/// An attribute that the schema gets has to be varied here, or who can do something is said wrongly.
#[test]
fn every_attribute_that_rules_can_look_at_is_varied() {
    let attributes = SCHEMA.lines().filter_map(|line| {
        let (name, kind) = line.trim().split_once(':')?;
        let is_attribute = line.starts_with("  ") && !kind.is_empty() && !name.contains(' ');
        is_attribute.then_some(name.trim_end_matches('?'))
    });
    // A person has no attributes, a role's name is the role's, and without a second factor all is refused.
    let known = ["name", "mfa", "principal", "resource", "context"];
    let attributes: BTreeSet<&str> = attributes.filter(|name| !known.contains(name)).collect();
    assert!(attributes.len() >= 10, "{attributes:?}");
    for name in attributes {
        let situations = situations(&format!("context has {name}"));
        assert!(!situations.dimensions.is_empty(), "{name}");
        assert!(situations.are_all);
    }
    assert_eq!(situations("context.mfa").chosen, [Vec::<usize>::new()]);
}

#[test]
fn the_first_is_the_usual_one() {
    let subject = "local/u-1".parse().unwrap();
    let expected = usual(Action::Request, &subject);
    for condition in ["context.mfa", "context.weekday < 6 && context.duration < duration(\"1h\")"] {
        let mut facts = usual(Action::Request, &subject);
        let situations = situations(condition);
        situations.put(&situations.chosen[0], &mut facts);
        assert_eq!(facts, expected);
    }
}

#[test]
fn many_facts_are_combined_two_by_two() {
    let situations = situations(
        "context.duration > duration(\"1h\") && context.minute > 600 && context.weekday < 6 && context.reason like \"a*\" \
         && context.hosts.contains(\"web1\") && context.source_address.isInRange(ip(\"10.0.0.0/8\"))",
    );
    assert!(!situations.are_all);
    let count = situations.dimensions.len();
    for one in 0..count {
        for two in one + 1..count {
            let pairs: HashSet<_> =
                situations.chosen.iter().map(|chosen| (chosen[one], chosen[two])).collect();
            let all = situations.dimensions[one].len() * situations.dimensions[two].len();
            assert_eq!(pairs.len(), all);
        }
    }
    assert!(situations.chosen.len() < 1_000, "{}", situations.chosen.len());
}
