//! Who races whom, and what may come of it.

use serde_json::{Value, json};

use super::scene::{Call, Scene, Who};
use Who::{Bob, Carol, Dora, Fred};

/// A race of two calls that are sent at once.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// Makes what is raced for: its request, and the two calls.
    pub(super) set_up: fn(&mut Scene) -> (Value, [Call; 2]),
    pub(super) wins: Wins,
    /// What whoever loses is told, with a 409 or a 423.
    pub(super) told: &'static [&'static str],
    /// Of the entries of its request, how many there are of these types together.
    pub(super) entries: &'static [(&'static [&'static str], usize)],
    /// Makes room for the next.
    pub(super) tidy: fn(&mut Scene, &Value),
}

/// Who may win.
pub(super) enum Wins {
    /// One of the two.
    One,
    /// Both are done.
    Both,
    /// The second is done; the first, if its entry is before the other's.
    FirstBefore(&'static str, &'static str),
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "two approve for the last seat",
        set_up: |scene| {
            let request = scene.asked("orders-api");
            let calls = [scene.approve(Bob, &request), scene.approve(Carol, &request)];
            (request, calls)
        },
        wins: Wins::One,
        told: &["not-pending"],
        entries: &[(&["approval"], 1), (&["grant"], 1)],
        tidy: nothing,
    },
    Row {
        name: "one approves, one denies",
        set_up: |scene| {
            let request = scene.asked("orders-api");
            let calls = [scene.approve(Bob, &request), decide(Carol, &request, "deny")];
            (request, calls)
        },
        wins: Wins::One,
        told: &["not-pending"],
        entries: &[(&["approval", "denial"], 1), (&["grant", "denial"], 1)],
        tidy: nothing,
    },
    Row {
        name: "one approves, one cancels",
        set_up: |scene| {
            let request = scene.asked("orders-api");
            let calls = [scene.approve(Bob, &request), decide(scene.asker, &request, "cancel")];
            (request, calls)
        },
        wins: Wins::One,
        told: &["not-pending"],
        entries: &[(&["approval", "cancel"], 1), (&["grant", "cancel"], 1)],
        tidy: nothing,
    },
    Row {
        name: "one approves less than the other",
        set_up: |scene| {
            let request = scene.asked("pair");
            let mut less = scene.approve(Bob, &request);
            less.body["duration"] = json!("5m");
            less.body["comment"] = json!("five minutes will do");
            let calls = [less, scene.approve(Carol, &request)];
            (request, calls)
        },
        wins: Wins::Both,
        told: &[],
        entries: &[(&["approval"], 2), (&["grant"], 1)],
        tidy: |scene, request| {
            let grant = scene.again(request)["grant"].clone();
            let [start, end] =
                ["start", "end"].map(|it| jit_ca_tests::seconds(&grant["window"][it]));
            assert_eq!(end - start, 300, "{grant:#}");
        },
    },
    Row {
        name: "it is given back and revoked",
        set_up: |scene| {
            let request = scene.granted("orders-api");
            let calls = [of_grant(scene.asker, &request, "end"), revoke(&request)];
            (request, calls)
        },
        wins: Wins::One,
        told: &["grant-ended", "grant-revoked"],
        entries: &[(&["grant.end", "grant.revoke"], 1)],
        tidy: nothing,
    },
    Row {
        name: "a certificate is taken, and the grant",
        set_up: |scene| {
            let request = scene.granted("orders-api");
            let calls = [scene.take(&request), revoke(&request)];
            (request, calls)
        },
        wins: Wins::FirstBefore("issue.intent", "grant.revoke"),
        told: &["grant-revoked"],
        entries: &[(&["grant.revoke"], 1)],
        tidy: nothing,
    },
    Row {
        name: "a certificate is taken, and the role is locked",
        set_up: |scene| {
            let request = scene.granted("orders-api");
            let calls = [scene.take(&request), lock("/v1/locks", "role:orders-api")];
            (request, calls)
        },
        wins: Wins::FirstBefore("issue.intent", "lock"),
        told: &["locked"],
        entries: &[],
        tidy: |scene, _| scene.unlock("role:orders-api"),
    },
    Row {
        name: "one approves, one locks",
        set_up: |scene| {
            let request = scene.asked("orders-api");
            let calls = [scene.approve(Carol, &request), lock("/v1/locks", "role:orders-api")];
            (request, calls)
        },
        wins: Wins::FirstBefore("grant", "lock"),
        told: &["locked"],
        entries: &[],
        tidy: |scene, request| {
            scene.unlock("role:orders-api");
            scene.withdraw(request);
        },
    },
    Row {
        name: "more time is asked for, and it is given back",
        set_up: |scene| {
            let request = scene.granted("orders-api");
            let body = json!({"reason": "INC-42", "duration": "10m"});
            let more = Call { line: 1, body, ..of_grant(scene.asker, &request, "extend") };
            let end = of_grant(scene.asker, &request, "end");
            (request, [more, end])
        },
        wins: Wins::FirstBefore("request", "grant.end"),
        told: &["grant-ended"],
        entries: &[(&["grant.end"], 1)],
        tidy: |scene, _| scene.withdraw_all(),
    },
    Row {
        name: "more time is asked for, twice",
        set_up: |scene| {
            let request = scene.granted("orders-api");
            let body = json!({"reason": "INC-42", "duration": "10m"});
            let more = of_grant(scene.asker, &request, "extend");
            let calls = [0, 1].map(|line| Call { line, body: body.clone(), ..more.clone() });
            (request, calls)
        },
        wins: Wins::One,
        told: &["already-extended"],
        entries: &[],
        tidy: |scene, _| scene.withdraw_all(),
    },
    Row {
        name: "two first uses",
        set_up: |scene| {
            let request = scene.granted("on-use");
            let second = Call { line: 1, ..scene.take(&request) };
            let calls = [scene.take(&request), second];
            (request, calls)
        },
        wins: Wins::Both,
        told: &[],
        entries: &[(&["grant.start"], 1), (&["issue.intent"], 2), (&["issue.done"], 2)],
        tidy: nothing,
    },
    Row {
        name: "the last certificate twice",
        set_up: |scene| {
            let request = scene.granted("once");
            let second = Call { line: 1, ..scene.take(&request) };
            let calls = [scene.take(&request), second];
            (request, calls)
        },
        wins: Wins::One,
        told: &["too-many-certificates"],
        entries: &[(&["issue.intent"], 1), (&["issue.done"], 1)],
        tidy: nothing,
    },
    Row {
        name: "two reviews",
        set_up: |scene| {
            let request = scene.emergency();
            let review = |by| {
                let mut call = decide(by, &request, "review");
                call.body = json!({"comment": "as INC-42 says"});
                call
            };
            let calls = [review(Carol), review(Fred)];
            (request, calls)
        },
        wins: Wins::One,
        told: &["not-to-review"],
        entries: &[(&["review"], 1)],
        tidy: nothing,
    },
    Row {
        name: "the same glass broken twice",
        set_up: |scene| {
            let glass = scene.glass();
            let second = Call { line: 1, ..glass.clone() };
            (Value::Null, [glass, second])
        },
        wins: Wins::Both,
        told: &[],
        entries: &[(&["request"], 1), (&["break-glass"], 1), (&["grant"], 1)],
        tidy: |scene, request| scene.end_emergency(request),
    },
    Row {
        name: "two unlock",
        set_up: |scene| {
            scene.post(Bob, "/v1/locks", &json!({"what": "role:web-logs", "reason": "INC-42"}));
            let mut other = lock("/v1/locks/lift", "role:web-logs");
            other.by = Carol;
            (Value::Null, [lock("/v1/locks/lift", "role:web-logs"), other])
        },
        wins: Wins::One,
        told: &["lock-unchanged"],
        entries: &[],
        tidy: nothing,
    },
    Row {
        name: "two requests where there is room for one",
        set_up: |scene| {
            scene.ask_to_the_limit();
            let path = "/v1/requests".to_owned();
            let body = json!({"role": "orders-api", "reason": "INC-42"});
            let one = Call { by: Dora, line: 0, path, body, key: None };
            let other = Call { line: 1, ..one.clone() };
            (Value::Null, [one, other])
        },
        wins: Wins::One,
        told: &["too-many-requests"],
        entries: &[(&["request"], 1)],
        tidy: |scene, request| {
            scene.decide(Dora, request, "cancel");
        },
    },
];

fn nothing(_: &mut Scene, _: &Value) {}

fn decide(by: Who, request: &Value, verb: &str) -> Call {
    let path = format!("/v1/requests/{}/{verb}", request["id"].as_str().unwrap());
    Call { by, line: 0, path, body: json!({}), key: None }
}

fn of_grant(by: Who, request: &Value, verb: &str) -> Call {
    let path = format!("/v1/grants/{}/{verb}", request["grant"]["id"].as_str().unwrap());
    Call { by, line: 0, path, body: json!({}), key: None }
}

fn revoke(request: &Value) -> Call {
    let body = json!({"reason": "INC-42 is over"});
    Call { body, ..of_grant(Bob, request, "revoke") }
}

fn lock(path: &str, what: &str) -> Call {
    let body = json!({"what": what, "reason": "INC-42"});
    Call { by: Bob, line: 0, path: path.to_owned(), body, key: None }
}
