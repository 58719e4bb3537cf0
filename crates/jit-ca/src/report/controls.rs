//! Where an auditor finds evidence for which control. It is our reading; no auditor has confirmed it.

use serde::Serialize;

/// A control, and the sections that hold evidence for it.
#[derive(Debug, Serialize)]
pub(crate) struct Control {
    /// Its number: of SOC 2 (Trust Services Criteria) or ISO/IEC 27001:2022, Annex A.
    pub(crate) control: &'static str,
    /// What it is about.
    pub(crate) about: &'static str,
    /// The report's sections, and what they show.
    pub(crate) evidence: &'static str,
}

const fn control(control: &'static str, about: &'static str, evidence: &'static str) -> Control {
    Control { control, about, evidence }
}

/// The register.
pub(crate) const CONTROLS: &[Control] = &[
    control(
        "SOC 2 CC6.1",
        "logical access, protection of keys",
        "1 the CA's keys; 3 what each role gives, and to whom",
    ),
    control(
        "SOC 2 CC6.2",
        "registering and authorising users, removing them",
        "3 people added, changed and removed; 6 enrolment codes and second factors",
    ),
    control(
        "SOC 2 CC6.3",
        "authorising, modifying and removing access; least privilege; segregation of duties",
        "2 standing privileges and self-approvals; 4 every request with who agreed; 6 pairs, grants by rule",
    ),
    control(
        "SOC 2 CC7.2",
        "monitoring for anomalies",
        "6 refusals, crashes, intents without an outcome",
    ),
    control("SOC 2 CC8.1", "authorising changes", "3 each change of the policy, file by file"),
    control("ISO 27001 A.5.3", "segregation of duties", "2 self-approvals; 4 who agreed; 6 pairs"),
    control("ISO 27001 A.5.15", "access control", "3 roles and rules in force"),
    control("ISO 27001 A.5.16", "identity management", "3 people and their changes; 7 who is who"),
    control(
        "ISO 27001 A.5.17",
        "authentication information",
        "3 second factors required; 6 enrolment codes and second factors",
    ),
    control("ISO 27001 A.5.18", "access rights", "4 requests and their grants; 5 certificates"),
    control(
        "ISO 27001 A.8.2",
        "privileged access rights",
        "2 standing privileges, longest and median grant; 3 who may read the log and erase",
    ),
    control("ISO 27001 A.8.10", "deletion of information", "6 erasures, with reason and extent"),
    control(
        "ISO 27001 A.8.15",
        "logging",
        "1 the checkpoint, and how it is verified; 6 crashes and erasures",
    ),
];
