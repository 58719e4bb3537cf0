//! Witnesses: where not all situations are asked about, one for each rule in which its own conditions hold.
//!
//! Each two facts are combined, so a rule that wants three or more to be unusual at once would hold in no situation that
//! is asked about. What such a rule compares with is known, so the values that it wants are found one fact at a time.

use cedar_policy::{Policy, PolicySet};
use jit_ca_core::{Facts, SubjectId};

use super::situations::usual;
use super::{Deed, Fact, Side, Situations};
use crate::decide::question;
use crate::engine::{Needs, Part, Unasked};

/// The witnesses of a side's rules on a deed that are not among the situations.
pub(super) fn witnesses(
    side: &Side<'_>,
    deed: &Deed,
    situations: &Situations,
) -> Result<Vec<Vec<usize>>, Unasked> {
    let rules = side.bundle.engine().rules(deed.action, deed.role.as_ref());
    let rules = rules.into_iter().flat_map(PolicySet::policies);
    // It does not matter who asks: who it is, is no fact of a situation.
    let Some(anybody) = side.bundle.people().next() else { return Ok(Vec::new()) };
    let search = Search { side, deed, situations, anybody: &anybody.id };
    let mut found = Vec::new();
    for rule in rules {
        found.extend(search.witness(rule)?);
    }
    found.retain(|chosen| !situations.chosen.contains(chosen));
    Ok(found)
}

struct Search<'a, 'b> {
    side: &'a Side<'b>,
    deed: &'a Deed,
    situations: &'a Situations,
    anybody: &'a SubjectId,
}

impl Search<'_, '_> {
    /// A situation in which as many parts of the rule hold as can be had fact by fact; `None` if it looks at so few
    /// facts that all of their combinations are asked about.
    fn witness(&self, rule: &Policy) -> Result<Option<Vec<usize>>, Unasked> {
        let needs = Needs::of(rule)?;
        let dimensions = &self.situations.dimensions;
        let varied = dimensions.iter().enumerate();
        let varied = varied.filter(|(_, values)| is_looked_at(values, &needs));
        let varied: Vec<(usize, &Vec<Fact>)> = varied.collect();
        if varied.len() <= 2 {
            return Ok(None);
        }
        let parts = Part::all(rule)?;
        let mut chosen = vec![0; dimensions.len()];
        // A second time, for parts that look at two facts.
        for (at, values) in varied.iter().chain(&varied) {
            let parts: Vec<&Part> =
                parts.iter().filter(|part| is_looked_at(values, &part.needs)).collect();
            let mut best = (0, 0);
            for value in 0..values.len() {
                put(&mut chosen, *at, value);
                let holding = self.holding(&parts, &chosen)?;
                if value == 0 || holding > best.0 {
                    best = (holding, value);
                }
            }
            put(&mut chosen, *at, best.1);
        }
        Ok(Some(chosen))
    }

    /// How many of the parts hold.
    fn holding(&self, parts: &[&Part], chosen: &[usize]) -> Result<usize, Unasked> {
        let mut facts: Facts = usual(self.deed.action, self.anybody);
        facts.role.clone_from(&self.deed.role);
        facts.requester = Some(self.anybody.clone());
        self.situations.put(chosen, &mut facts);
        let Ok(question) = question(self.side.bundle, &facts) else { return Ok(0) };
        let mut holding = 0;
        for part in parts {
            let holds = self.side.bundle.engine().holds(&question, part)?;
            holding += usize::from(holds == Some(true));
        }
        Ok(holding)
    }
}

fn put(chosen: &mut [usize], at: usize, value: usize) {
    if let Some(which) = chosen.get_mut(at) {
        *which = value;
    }
}

/// Whether what needs these attributes is told the fact, which has such values.
fn is_looked_at(values: &[Fact], needs: &Needs) -> bool {
    let names: &[&str] = match values.first() {
        Some(Fact::Week(_)) => &["now"],
        Some(Fact::Weekday(_)) => &["weekday", "now"],
        Some(Fact::Minute(_)) => &["minute", "now"],
        Some(Fact::Address(_)) => &["source_address"],
        Some(Fact::MfaAge(_)) => &["mfa_age"],
        Some(Fact::Acr(_)) => &["acr"],
        Some(Fact::Amr(_)) => &["amr"],
        Some(Fact::Duration(_)) => &["duration"],
        Some(Fact::Hosts(_)) => &["hosts"],
        Some(Fact::Reason(_)) => &["reason"],
        Some(Fact::Ticket(_)) => &["ticket"],
        Some(Fact::Requester(_)) => &["requester"],
        None => &[],
    };
    names.iter().any(|name| needs.has(name))
}
