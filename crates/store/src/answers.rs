use crate::db::{Arg, bulk, sql};
use crate::{Store, StoreError, check, identities};

/// Questions that one attribute of a user may have.
const MAX_ANSWERS: usize = 32;
const MAX_QUESTION: usize = 1024;
const MAX_HASH: usize = 1024;

/// A security question and the hash of its answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The question is the user's own text, else the id of one of the realm's.
    pub custom: bool,
    pub question: String,
    /// A PHC string.
    pub hash: String,
}

/// What users are asked instead of a password (KBA), by user and attribute.
pub struct Answers<'a>(pub(crate) &'a Store);

impl Answers<'_> {
    /// In the order in which they were given.
    pub async fn list(&self, realm: &str, username: &str, attribute: &str) -> Result<Vec<Answer>, StoreError> {
        let rows: Vec<(bool, String, String)> = sql("SELECT custom, question, answer_hash FROM identity_answers
             WHERE realm = $1 AND username = $2 AND attribute = $3 ORDER BY number LIMIT $4")
        .bind(realm)
        .bind(username)
        .bind(attribute)
        .bind(MAX_ANSWERS as i64)
        .all(&mut self.0.db().read().await?)
        .await?;
        Ok(rows.into_iter().map(|(custom, question, hash)| Answer { custom, question, hash }).collect())
    }

    /// Puts these in the place of all that there were.
    pub async fn replace(
        &self,
        realm: &str,
        username: &str,
        attribute: &str,
        answers: &[Answer],
    ) -> Result<(), StoreError> {
        check::name("attribute name", attribute)?;
        check::at_most("security questions", answers.len(), MAX_ANSWERS)?;
        for Answer { question, hash, .. } in answers {
            check::line("security question", question, MAX_QUESTION)?;
            check::line("hash of an answer", hash, MAX_HASH)?;
            if !hash.starts_with('$') {
                return Err(StoreError::Invalid { what: "hash of an answer", rule: "must be a PHC string" });
            }
        }
        let mut tx = self.0.db().begin().await?;
        identities::lock(&mut tx, realm, username).await?;
        sql("DELETE FROM identity_answers WHERE realm = $1 AND username = $2 AND attribute = $3")
            .bind(realm)
            .bind(username)
            .bind(attribute)
            .run(&mut tx)
            .await?;
        let row = |(number, answer): (i64, &Answer)| -> Vec<Arg> {
            let Answer { custom, question, hash } = answer;
            vec![
                realm.into(),
                username.into(),
                attribute.into(),
                number.into(),
                (*custom).into(),
                question.into(),
                hash.into(),
            ]
        };
        let columns = ["realm", "username", "attribute", "number", "custom", "question", "answer_hash"];
        bulk::insert(&mut tx, "identity_answers", &columns, (0..).zip(answers).map(row).collect()).await?;
        tx.commit().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, Site, on_both};
    use crate::{Attributes, IdentityStatus, NewIdentity};

    on_both!(answers_are_kept_in_order_and_replaced_as_a_whole);

    async fn answers_are_kept_in_order_and_replaced_as_a_whole(site: Site) {
        let store = site.store().await;
        let (answers, none) = (store.answers(), Attributes::new());
        let answer = |custom, question: &str| Answer { custom, question: question.into(), hash: "$h".into() };
        let first = [answer(true, "Pet?"), answer(false, "1")];
        assert!(answers.replace("/alpha", "demo", "kbaInfo", &first).await.is_err(), "no such user");
        let status = IdentityStatus::Active;
        let new = NewIdentity { realm: "/alpha", username: "demo", password_hash: "$x", status, attributes: &none };
        store.identities().create(new, NOW).await.unwrap();
        answers.replace("/alpha", "demo", "kbaInfo", &first).await.unwrap();
        assert!(answers.list("/alpha", "demo", "kbaInfo").await.unwrap() == first);
        answers.replace("/alpha", "demo", "kbaInfo", &first[1..]).await.unwrap();
        assert!(answers.list("/alpha", "demo", "kbaInfo").await.unwrap() == first[1..]);
        let clear = Answer { hash: "rex".into(), ..answer(true, "Pet?") };
        assert!(answers.replace("/alpha", "demo", "kbaInfo", &[clear]).await.is_err());
        let many = vec![answer(true, "Pet?"); MAX_ANSWERS + 1];
        assert!(answers.replace("/alpha", "demo", "kbaInfo", &many).await.is_err());
        assert_eq!(answers.list("/alpha", "demo", "kbaInfo").await.unwrap().len(), 1);
    }
}
