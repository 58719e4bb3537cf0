use jit_ca_log::Ids;
use jit_ca_log::archive::Payload;

use super::testing::{ALICE, BOB, FROM, Script, grant, of_request};
use super::{Format, page};

const HOSTILE: &str = "</td><script>alert('x')</script> | a `b` *c* [d](https://e) & 🚀 größer";

fn script() -> Script {
    let mut script = Script::default();
    script.at(FROM - 10).person(ALICE, "alice", &["dev"]).person(BOB, "bob", &["sre"]).activate();
    let long = "x".repeat(500);
    script.at(FROM).request(1, ALICE, HOSTILE).approval(1, Ok(BOB), Some(HOSTILE));
    script.grant(1, BOB, 600).intent(1, 1, "ssh-user", ALICE).request(2, ALICE, &long);
    script
}

#[test]
fn nothing_of_others_is_read_as_markup() {
    let report = script().report(None);
    let html = report.text(Format::Html);
    assert!(!html.contains("<script") && !html.contains("</td><script"), "{html}");
    assert_eq!(html.matches("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; | a `b`").count(), 2);
    for tag in [
        "html", "head", "body", "main", "section", "table", "thead", "tbody", "tr", "td", "dl",
        "div",
    ] {
        let opened =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    // Nothing is fetched, by whatever attribute.
    assert!(
        !html.contains("src=") && !html.contains("url(") && !html.contains("href=\"h"),
        "{html}"
    );

    let markdown = report.text(Format::Md);
    let escaped = "&lt;script&gt;alert('x')&lt;/script&gt; \\| a \\`b\\` \\*c\\* \\[d\\](https\\://e) &amp; 🚀 größer";
    assert_eq!(markdown.matches(escaped).count(), 2, "{markdown}");
    // All rows of a table have as many cells as its heading.
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut columns = 0;
    for line in markdown.lines() {
        match line.starts_with('|') {
            true if columns == 0 => columns = cells(line),
            true => assert_eq!(cells(line), columns, "{line}"),
            false => columns = 0,
        }
    }
    let json: serde_json::Value = serde_json::from_str(&report.text(Format::Json)).unwrap();
    assert_eq!(json["requests"][0]["reason"], HOSTILE);
    assert_eq!(json["requests"][0]["outcome"], "granted");
    assert_eq!(json["requests"][0]["approvals"][0]["by"]["person"], "bob");
}

/// Nobody can look at what is erased: it may say of what was granted that it was taken back.
#[test]
fn what_is_erased_takes_nothing_from_a_grant() {
    let granted = script().report(None).text(Format::Json);
    let mut script = script();
    let another = Ids { grant: Some(grant(9)), ..of_request(1) };
    for (kind, ids) in [("cancel", of_request(1)), ("grant", another), ("grant.end", another)] {
        script.put(BOB, ids, kind.parse().unwrap(), Payload::Erased);
    }
    let report = script.report(None).text(Format::Json);
    let requests = |text: &str| -> serde_json::Value {
        serde_json::from_str::<serde_json::Value>(text).unwrap()["requests"].clone()
    };
    assert_eq!(requests(&report), requests(&granted));
}

#[test]
fn what_approvers_took_away_is_told() {
    let report = script().report(None);
    let (asked, kept) = ("<td>web1, web2</td>", "on web1 alone");
    let html = report.text(Format::Html);
    assert!(html.contains(asked) && html.contains(kept) && html.contains("1 of 2 rows"), "{html}");
    assert!(report.text(Format::Md).contains(kept));
    let json: serde_json::Value = serde_json::from_str(&report.text(Format::Json)).unwrap();
    assert_eq!(json["requests"][0]["hosts"], json["requests"][1]["hosts"]);
    assert_ne!(json["requests"][0]["grant"]["hosts"], json["requests"][0]["hosts"]);
}

#[test]
fn it_says_what_it_rests_on_and_how_to_make_it_again() {
    let exact = script().report(None);
    let (from, to) = (exact.period.from, exact.period.to);
    let again = format!("jit-ca report {from} {to}");
    assert_eq!(exact.log.commands[0], "jit-ca log export log.tar");
    assert_eq!(exact.log.commands[2], again);
    let of_more = script().report(Some(99));
    assert_eq!(of_more.log.commands[1], format!("{again} --export log.tar"));
    for format in [Format::Md, Format::Html] {
        let text = exact.text(format);
        for part in
            [exact.log.checkpoint.lines().last().unwrap(), "of exactly these entries", &again]
        {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(of_more.text(format).contains("signed note of 99 entries"));
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
    }
    let sections = page::blocks(&exact);
    let numbers = sections.iter().filter_map(|block| match block {
        page::Block::Section(number, _) => Some(*number),
        _ => None,
    });
    assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn the_same_entries_give_the_same_bytes() {
    for format in [Format::Md, Format::Html, Format::Json] {
        assert_eq!(script().report(None).text(format), script().report(None).text(format));
    }
}
