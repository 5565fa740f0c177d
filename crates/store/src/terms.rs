use crate::db::sql;
use crate::{Store, StoreError, check};

/// The terms that a user accepted last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcceptedTerms {
    pub version: String,
    /// RFC 3339, as it was given.
    pub accepted_at: String,
}

/// Which terms of use each user has accepted.
pub struct TermsOfUse<'a>(pub(crate) &'a Store);

impl TermsOfUse<'_> {
    pub async fn accepted(&self, realm: &str, username: &str) -> Result<Option<AcceptedTerms>, StoreError> {
        let row: Option<(String, String)> =
            sql("SELECT version, accepted_at FROM accepted_terms WHERE realm = $1 AND username = $2")
                .bind(realm)
                .bind(username)
                .optional(&mut self.0.db().read().await?)
                .await?;
        Ok(row.map(|(version, accepted_at)| AcceptedTerms { version, accepted_at }))
    }

    /// `false` when there is no such user.
    pub async fn accept(&self, realm: &str, username: &str, terms: &AcceptedTerms) -> Result<bool, StoreError> {
        check::line("version of the terms", &terms.version, check::MAX_NAME)?;
        check::line("date of the terms", &terms.accepted_at, check::MAX_NAME)?;
        let done = sql("INSERT INTO accepted_terms (realm, username, version, accepted_at)
             SELECT realm, username, CAST($3 AS TEXT), CAST($4 AS TEXT) FROM identities
             WHERE realm = $1 AND username = $2
             ON CONFLICT (realm, username) DO UPDATE SET
                 version = excluded.version, accepted_at = excluded.accepted_at")
        .bind(realm)
        .bind(username)
        .bind(&terms.version)
        .bind(&terms.accepted_at)
        .run(&mut self.0.db().write().await?)
        .await?;
        Ok(done > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, Site, on_both};
    use crate::{Attributes, IdentityStatus, NewIdentity};

    on_both!(the_last_acceptance_counts);

    async fn the_last_acceptance_counts(site: Site) {
        let store = site.store().await;
        let (terms, none, status) = (store.terms(), Attributes::new(), IdentityStatus::Active);
        let new = NewIdentity { realm: "/alpha", username: "demo", password_hash: "$x", status, attributes: &none };
        let of = |version: &str| AcceptedTerms { version: version.into(), accepted_at: "2026-01-01T00:00:00Z".into() };
        assert_eq!(terms.accept("/alpha", "demo", &of("1")).await, Ok(false));
        store.identities().create(new, NOW).await.unwrap();
        assert_eq!(terms.accepted("/alpha", "demo").await, Ok(None));
        for version in ["1", "2"] {
            assert_eq!(terms.accept("/alpha", "demo", &of(version)).await, Ok(true));
            assert_eq!(terms.accepted("/alpha", "demo").await, Ok(Some(of(version))));
        }
        assert!(terms.accept("/alpha", "demo", &of("a\nb")).await.is_err());
    }
}
