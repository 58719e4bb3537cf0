//! An issuer of workloads' tokens, and claims as known issuers make them.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};

use crate::{Lab, Served, now};

/// Publishes its keys and signs what it is told to, by jose: see `tests/oidc/issuer.mjs`.
#[derive(Debug)]
pub struct TokenIssuer(Served);

impl TokenIssuer {
    /// Starts one.
    pub fn start(lab: &Lab) -> Self {
        Self(Served::start(lab, "issuer.mjs"))
    }

    /// A token with these claims, valid for five minutes from now for the audience `jit-ca`, unless they say otherwise;
    /// those that are null are not there.
    pub fn token(&self, alg: &str, claims: &Value) -> String {
        self.token_with(alg, &json!({}), claims)
    }

    /// The same, with this in its header; what is null is not there.
    pub fn token_with(&self, alg: &str, header: &Value, claims: &Value) -> String {
        let (issuer, now) = (self.issuer(), now());
        let mut whole =
            json!({"iss": issuer, "aud": "jit-ca", "iat": now, "nbf": now, "exp": now + 300});
        for (name, value) in claims.as_object().expect("claims") {
            whole[name] = value.clone();
        }
        whole.as_object_mut().expect("claims").retain(|_, value| !value.is_null());
        let token = self.control("sign", &json!({"alg": alg, "header": header, "claims": whole}));
        token.as_str().expect("a token").to_owned()
    }

    /// Publishes something else at a path: `{"status", "headers", "body"}`, of which what is missing is as it should be.
    pub fn publish(&self, path: &str, document: &Value) {
        let mut document = document.clone();
        document["path"] = path.into();
        self.control("publish", &document);
    }
}

impl Deref for TokenIssuer {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.0
    }
}

impl DerefMut for TokenIssuer {
    fn deref_mut(&mut self) -> &mut Served {
        &mut self.0
    }
}

/// Claims of workloads in the shapes that their issuers document, without `iss`, `aud` and times.
pub mod workloads {
    use super::*;

    /// A job of GitHub Actions that deploys from `main` to an environment.
    pub fn github_actions() -> Value {
        json!({
            "jti": "2d7a1c5e-6a0f-4a37-8a4b-0d1f6f6a3c55",
            "sub": "repo:acme/shop:environment:production",
            "environment": "production", "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true",
            "sha": "0f1e2d3c4b5a69788796a5b4c3d2e1f001122334",
            "repository": "acme/shop", "repository_id": "74", "repository_visibility": "private",
            "repository_owner": "acme", "repository_owner_id": "65",
            "run_id": "6412345678", "run_number": "10", "run_attempt": "1", "runner_environment": "github-hosted",
            "actor": "octocat", "actor_id": "12", "workflow": "deploy", "head_ref": "", "base_ref": "",
            "event_name": "push",
            "workflow_ref": "acme/shop/.github/workflows/deploy.yml@refs/heads/main",
            "workflow_sha": "0f1e2d3c4b5a69788796a5b4c3d2e1f001122334",
            "job_workflow_ref": "acme/shop/.github/workflows/deploy.yml@refs/heads/main",
            "job_workflow_sha": "0f1e2d3c4b5a69788796a5b4c3d2e1f001122334",
        })
    }

    /// A job of GitLab CI on a protected branch.
    pub fn gitlab() -> Value {
        json!({
            "jti": "b9a4a2d6-7c0e-4f0a-9a53-9d5a5f3f6c11",
            "sub": "project_path:acme/shop:ref_type:branch:ref:main",
            "namespace_id": "72", "namespace_path": "acme", "project_id": "20", "project_path": "acme/shop",
            "project_visibility": "private", "user_id": "1", "user_login": "sample-user",
            "user_email": "sample-user@example.com", "user_access_level": "maintainer", "user_identities": [],
            "pipeline_id": "574", "pipeline_source": "push", "job_id": "302",
            "ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main", "ref_protected": "true",
            "groups_direct": ["acme"], "environment": "production", "environment_protected": "true",
            "deployment_tier": "production", "environment_action": "start",
            "runner_id": 1, "runner_environment": "self-hosted",
            "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
            "ci_config_ref_uri": "gitlab.example.com/acme/shop//.gitlab-ci.yml@refs/heads/main",
            "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
        })
    }

    /// A pod's projected token of a Kubernetes service account. Its audience is a list.
    pub fn kubernetes() -> Value {
        json!({
            "aud": ["jit-ca"],
            "jti": "ea28ed49-2e11-4280-9ec5-bc3d1d84661a",
            "sub": "system:serviceaccount:prod:deployer",
            "kubernetes.io": {
                "namespace": "prod",
                "node": {"name": "node-1", "uid": "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1"},
                "pod": {"name": "deployer-7d9f", "uid": "5e0bd49b-f040-43b0-99b7-22765a53f7f3"},
                "serviceaccount": {"name": "deployer", "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
                "warnafter": now() + 240,
            },
        })
    }

    /// A SPIFFE JWT-SVID, as SPIRE makes it where it has a `jwt_issuer`.
    pub fn spiffe() -> Value {
        json!({
            "aud": ["jit-ca"], "nbf": null,
            "sub": "spiffe://corp.example/ns/prod/sa/deployer",
        })
    }
}
