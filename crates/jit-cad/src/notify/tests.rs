//! What is told of which entries, when, and in what words.

use jit_ca_core::Window;
use jit_ca_core::workflow::Quorum;
use serde_json::{Value, json};

use super::message::{Facts, Message};
use super::*;

fn window(secs: u64) -> Window {
    let start = jit_ca_core::UnixTime::from_secs(1_000_000);
    Window::starting(start, Span::from_secs(secs)).unwrap()
}

#[test]
fn a_grant_is_said_to_end_soon_in_time_or_not_at_all() {
    let kinds = [Kind::EndingSoon, Kind::Ended].into();
    let subscription =
        Subscription { target: "chat".into(), kinds, ending_soon: Span::from_secs(600) };
    let now = Millis(1_000_000_000);
    let due = |kind: Kind, window: Option<Window>, now: Millis| {
        subscription.due(Told { nth: 0, kind, window }, now).map(|due| due.0 / 1_000)
    };
    assert_eq!(due(Kind::EndingSoon, Some(window(3_600)), now), Some(1_003_000));
    assert_eq!(due(Kind::EndingSoon, Some(window(1_200)), now), Some(1_000_600));
    assert_eq!(due(Kind::EndingSoon, Some(window(1_199)), now), None);
    // Where the daemon was down then: at once.
    let late = Millis(1_003_100_000);
    assert_eq!(due(Kind::EndingSoon, Some(window(3_600)), late), Some(1_003_100));
    assert_eq!(due(Kind::Ended, None, now), Some(1_000_000));
    assert_eq!(due(Kind::Asked, None, now), None);
}

/// A message in which everything is as long, and as ill-meant, as it can be.
fn hostile(kind: Kind) -> Message {
    let evil = "<!channel> & `jit-ca approve r-evil` *bold* <https://evil|here>";
    let text = |text: &str| text.parse::<jit_ca_core::Text>().unwrap();
    let longest: String = evil.chars().cycle().take(500).collect();
    let people = (0..500).map(|n| format!("somebody-{n}").parse().unwrap());
    let hosts: Vec<String> = (0..500).map(|n| format!("host-{n}.example.org")).collect();
    let quorum = Quorum { count: 2, from: ["sre".parse().unwrap()].into(), signed: true };
    let facts = Facts {
        name: Some("alice".parse().unwrap()),
        role: Some("web-shell".parse().unwrap()),
        hosts: Some(hosts.join(",").parse().unwrap()),
        duration: Some(Span::from_secs(1_800)),
        window: Some(window(1_800)),
        reason: Some(text(&"&".repeat(500))),
        ticket: Some(text(&longest)),
        comment: Some(evil.to_owned()),
        approvals: vec![quorum; 100],
        by: vec!["bob".to_owned(); 500],
        lock: Some("the role web-shell".to_owned()),
        tell: people.collect(),
        command: Some("jit-ca approve r-0123456789".to_owned()),
        ..Facts::default()
    };
    Message { kind, time: jit_ca_core::UnixTime::from_secs(1_000_000), facts }
}

/// What docs.slack.dev says of incoming webhooks and blocks, as it stood in 2026.
#[test]
fn what_slack_is_sent_is_within_what_slack_takes() {
    for kind in Kind::ALL {
        let body: Value = serde_json::from_str(&slack::body(&hostile(kind))).unwrap();
        let texts = std::iter::once(&body["text"]);
        let blocks = body["blocks"].as_array().unwrap();
        assert!((1..=50).contains(&blocks.len()), "{body:#}");
        assert_eq!((&body["unfurl_links"], &body["unfurl_media"]), (&json!(false), &json!(false)));
        for text in texts.chain(blocks.iter().map(|block| &block["text"]["text"])) {
            let text = text.as_str().unwrap();
            assert!((1..=3_000).contains(&text.chars().count()), "{kind}: {text}");
            // Three characters mean something, and stand there as entities alone; a quote begins a line.
            let quoted = text.lines().map(|line| line.strip_prefix("> ").unwrap_or(line));
            let plain = quoted.collect::<String>();
            assert!(!plain.contains(['<', '>']), "{kind}: {text}");
            let plain = ["&amp;", "&lt;", "&gt;"].iter().fold(plain, |it, one| it.replace(one, ""));
            assert!(!plain.contains('&'), "{kind}: {text}");
        }
        for block in blocks {
            assert_eq!(
                (&block["type"], &block["text"]["type"]),
                (&json!("section"), &json!("mrkdwn"))
            );
            assert_eq!(block["text"]["verbatim"], true);
        }
        // Nothing looks like a command but ours.
        let shown = body.to_string();
        assert_eq!(shown.matches('`').count(), 2, "{shown}");
        assert!(shown.contains("`jit-ca approve r-0123456789`"), "{shown}");
    }
}

#[test]
fn standard_bodies_have_a_type_a_time_and_data() {
    for kind in Kind::ALL {
        let body: Value = serde_json::from_str(&standard::body(&hostile(kind))).unwrap();
        assert_eq!(body["type"], kind.as_str());
        assert_eq!(body["timestamp"], "1970-01-12T13:46:40Z");
        assert_eq!(body["data"]["hosts"].as_array().unwrap().len(), 500);
        assert_eq!(kind.as_str().parse(), Ok(kind));
        // What the specification allows in a type.
        assert!(kind.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '_'));
    }
}
