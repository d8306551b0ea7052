//! All rules about one patient's data in one value, so that one state proof shows all of them.

use salus_primitives::access::{AgreementId, GrantId, Terms};
use salus_primitives::calls::Agreement;
use salus_primitives::reading::{Category, Pseudonym};
use salus_primitives::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the patient's side, and who may pass on, have laid down about one patient's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dossier {
    /// Whose data.
    pub subject: Pseudonym,
    /// The rules, oldest first: all that have not ended, and those that have while there is room. At most [`RULES_MAX`].
    pub rules: Vec<Rule>,
    /// Whether the patient's side excludes break-glass. Counts where the jurisdiction lets it.
    pub break_glass_excluded: bool,
    /// Days whose keys were ordered to be destroyed, ascending, none touching another of its category. At most [`ERASED_MAX`].
    pub erased: Vec<ErasedDays>,
    /// When glasses that were broken close again, those that had not when the last was broken. At most [`GLASSES_MAX`].
    pub glasses: Vec<Timestamp>,
    /// How many turns (see [`Dossier::turns`]) belong to rules and glasses that are no longer listed.
    pub forgotten_turns: u64,
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its id.
    pub id: GrantId,
    /// Whether it permits or forbids.
    pub effect: Effect,
    /// What, to whom, and when.
    pub terms: Terms,
    /// The grant that it was passed on from; that stands in the same dossier while this one has not ended.
    pub passed_from: Option<GrantId>,
    /// Whether it was passed on: it cannot be again.
    pub passed_on: bool,
    /// When the patient's side ended it.
    pub revoked_at: Option<Timestamp>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// A grant.
    Permits,
    /// A denial, which wins over grants.
    Forbids,
}

/// Days of a category whose keys were ordered to be destroyed, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ErasedDays {
    /// Which kind of data.
    pub category: Category,
    /// The first day.
    pub first: u32,
    /// The last day.
    pub last: u32,
}

/// An agreement that a grant rests on, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footing {
    /// What was agreed.
    pub agreement: Agreement,
    /// Whether all parties have signed.
    pub signed: bool,
    /// Whether a party has ended it.
    pub ended: bool,
}

impl Footing {
    /// When it ends; long ago, if a party has ended it.
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        if self.ended {
            LONG_AGO
        } else {
            self.agreement.until
        }
    }

    /// Whether it holds at `now`.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.signed && self.agreement.from <= now && now < self.end()
    }
}

/// The agreements that the grants of some dossiers rest on, as they stand at the time of the state that they were read from. One that is missing is over, and was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footings(pub BTreeMap<AgreementId, Footing>);

/// No room in a dossier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no room for more in the dossier")]
pub struct DossierFull;

impl Dossier {
    /// A dossier without rules.
    #[must_use]
    pub const fn new(subject: Pseudonym) -> Self {
        Self {
            subject,
            rules: Vec::new(),
            break_glass_excluded: false,
            erased: Vec::new(),
            glasses: Vec::new(),
            forgotten_turns: 0,
        }
    }

    /// The rule of this id.
    #[must_use]
    pub fn rule(&self, id: &GrantId) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == *id)
    }

    /// When a rule ends or ended: by its own terms, by its revocation, with the grant it was passed on from, or with its agreement.
    #[must_use]
    pub fn end(&self, rule: &Rule, footings: &Footings) -> Timestamp {
        let own = |rule: &Rule| {
            let footing = rule
                .terms
                .agreement
                .map(|id| footings.0.get(&id).map_or(LONG_AGO, Footing::end));
            [rule.revoked_at, footing]
                .into_iter()
                .flatten()
                .fold(rule.terms.until, Timestamp::min)
        };
        match rule.passed_from {
            None => own(rule),
            // a grant goes no further than once, so this is the whole chain
            Some(first) => self
                .rule(&first)
                .map_or(LONG_AGO, |first| own(first).min(own(rule))),
        }
    }

    /// Whether a rule holds at `now`: it has begun and not ended, what it was passed on from holds, and the agreement is active.
    #[must_use]
    pub fn is_live(&self, rule: &Rule, footings: &Footings, now: Timestamp) -> bool {
        let own = |rule: &Rule| {
            rule.terms.from <= now
                && rule.terms.agreement.is_none_or(|id| {
                    footings
                        .0
                        .get(&id)
                        .is_some_and(|footing| footing.is_active(now))
                })
        };
        now < self.end(rule, footings)
            && own(rule)
            && rule
                .passed_from
                .is_none_or(|first| self.rule(&first).is_some_and(own))
    }

    /// The rules of a kind that hold at `now`, oldest first.
    pub fn live<'a>(
        &'a self,
        effect: Effect,
        footings: &'a Footings,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Rule> {
        self.rules
            .iter()
            .filter(move |rule| rule.effect == effect && self.is_live(rule, footings, now))
    }

    /// How often until `now` somebody may have lost access: grants that ended, denials that began, glasses that closed. Whoever seals begins new
    /// period keys when this grows; it never shrinks.
    #[must_use]
    pub fn turns(&self, footings: &Footings, now: Timestamp) -> u64 {
        let rules = self
            .rules
            .iter()
            .filter(|rule| self.has_turned(rule, footings, now));
        let glasses = self.glasses.iter().filter(|closes| **closes <= now);
        [rules.count(), glasses.count()]
            .into_iter()
            .fold(self.forgotten_turns, |sum, count| {
                sum.saturating_add(u64::try_from(count).unwrap_or(u64::MAX))
            })
    }

    /// Whether the rule counts among the [`turns`](Self::turns).
    fn has_turned(&self, rule: &Rule, footings: &Footings, now: Timestamp) -> bool {
        let end = self.end(rule, footings);
        match rule.effect {
            Effect::Permits => end <= now,
            Effect::Forbids => rule.terms.from <= now && rule.terms.from < end,
        }
    }

    /// Adds a rule. Those that have ended make room for it if there is none.
    ///
    /// # Errors
    /// [`DossierFull`] if [`RULES_MAX`] rules, or grants that rest on [`FOOTINGS_MAX`] other agreements, have not ended.
    pub fn add(
        &mut self,
        rule: Rule,
        footings: &Footings,
        now: Timestamp,
    ) -> Result<(), DossierFull> {
        let other_footings = |dossier: &Self| {
            let mut ids: Vec<_> = dossier
                .rules
                .iter()
                .filter_map(|rule| rule.terms.agreement)
                .filter(|id| Some(*id) != rule.terms.agreement)
                .collect();
            ids.sort_unstable();
            ids.dedup();
            ids.len()
        };
        let is_full = |dossier: &Self| {
            dossier.rules.len() >= RULES_MAX
                || rule.terms.agreement.is_some() && other_footings(dossier) >= FOOTINGS_MAX
        };
        if is_full(self) {
            self.forget_ended(footings, now);
            if is_full(self) {
                return Err(DossierFull);
            }
        }
        self.rules.push(rule);
        Ok(())
    }

    /// Removes rules that have ended. What was passed on from a grant ended with it at the latest, and goes with it.
    fn forget_ended(&mut self, footings: &Footings, now: Timestamp) {
        let before = self.clone();
        self.rules.retain(|rule| now < before.end(rule, footings));
        let ended = before.rules.iter().filter(|rule| {
            before.end(rule, footings) <= now && before.has_turned(rule, footings, now)
        });
        self.forget_turns(ended.count());
    }

    /// Notes a glass that was broken and closes at `closes`. If there is no room, the one that closes first counts as closed.
    pub fn break_glass(&mut self, closes: Timestamp, now: Timestamp) {
        let before = self.glasses.len();
        self.glasses.retain(|closes| now < *closes);
        self.forget_turns(before.saturating_sub(self.glasses.len()));
        let place = self.glasses.partition_point(|other| *other <= closes);
        self.glasses.insert(place, closes);
        if self.glasses.len() > GLASSES_MAX {
            self.glasses.remove(0);
            self.forget_turns(1);
        }
    }

    fn forget_turns(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.forgotten_turns = self.forgotten_turns.saturating_add(count);
    }

    /// Notes days whose keys are to be destroyed.
    ///
    /// # Errors
    /// [`DossierFull`] with more than [`ERASED_MAX`] stretches of days.
    pub fn erase(&mut self, mut days: ErasedDays) -> Result<(), DossierFull> {
        let (touching, mut erased): (Vec<_>, Vec<_>) =
            self.erased.iter().copied().partition(|other| {
                other.category == days.category
                    && other.first <= days.last.saturating_add(1)
                    && days.first <= other.last.saturating_add(1)
            });
        for other in touching {
            days.first = days.first.min(other.first);
            days.last = days.last.max(other.last);
        }
        erased.push(days);
        erased.sort_unstable();
        if erased.len() > ERASED_MAX {
            return Err(DossierFull);
        }
        self.erased = erased;
        Ok(())
    }

    /// Whether the keys of all these days were ordered to be destroyed.
    #[must_use]
    pub fn is_erased(&self, category: Category, first: u32, last: u32) -> bool {
        self.erased
            .iter()
            .any(|days| days.category == category && days.first <= first && last <= days.last)
    }
}

/// The end of what ended at a time that nobody noted.
const LONG_AGO: Timestamp = Timestamp::from_millis(0);

/// Most rules that have not ended. Keeps a dossier below 40 KiB.
pub const RULES_MAX: usize = 128;
/// Most agreements that the grants of a dossier rest on: each is a row that a decision may read.
pub const FOOTINGS_MAX: usize = 16;
/// Most stretches of erased days.
pub const ERASED_MAX: usize = 128;
/// Most glasses that are open at once and counted one by one.
pub const GLASSES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use salus_primitives::access::{
        Categories, Extent, Grantee, Passing, Purpose, Purposes, Sensitivity,
    };
    use salus_primitives::calls::{CommunicationMode, Role};
    use salus_primitives::codec;
    use salus_primitives::ids::{DeviceId, EntityId};
    use salus_primitives::reading::ReadingId;

    const fn at(time: u64) -> Timestamp {
        Timestamp::from_millis(time)
    }

    fn rule(id: u8, effect: Effect, from: u64, until: u64) -> Rule {
        Rule {
            id: GrantId([id; 32]),
            effect,
            terms: Terms {
                subject: Pseudonym([1; 32]),
                grantee: Grantee::Role(Role::Hospital),
                categories: Categories::all(),
                sensitivity: Sensitivity::Normal,
                purposes: Purposes::from_iter([Purpose::Treatment]),
                extent: Extent::All,
                from: at(from),
                until: at(until),
                passing: Passing::Never,
                agreement: None,
            },
            passed_from: None,
            passed_on: false,
            revoked_at: None,
        }
    }

    fn footing(until: u64, ended: bool) -> Footing {
        Footing {
            agreement: Agreement {
                parties: vec![],
                receivers: vec![],
                categories: Categories::all(),
                purposes: Purposes::all(),
                mode: CommunicationMode::Continuous,
                from: at(0),
                until: at(until),
            },
            signed: true,
            ended,
        }
    }

    /// A dossier as full as can be can be stored, and written in one call beside its event.
    #[test]
    fn the_fullest_dossier_fits_its_bounds() {
        let mut largest = rule(1, Effect::Permits, 0, 9);
        largest.terms.grantee = Grantee::Profession {
            entity: EntityId([1; 32]),
            profession: salus_primitives::calls::Profession::Nurse,
        };
        largest.terms.extent = Extent::Reading {
            day: 1,
            device: DeviceId([1; 32]),
            reading: ReadingId([1; 32]),
        };
        largest.terms.agreement = Some(AgreementId([1; 32]));
        largest.passed_from = Some(GrantId([1; 32]));
        largest.revoked_at = Some(at(1));
        let days = ErasedDays {
            category: Category::Claims,
            first: 1,
            last: 1,
        };
        let dossier = Dossier {
            subject: Pseudonym([1; 32]),
            rules: vec![largest; RULES_MAX],
            break_glass_excluded: true,
            erased: vec![days; ERASED_MAX],
            glasses: vec![at(1); GLASSES_MAX],
            forgotten_turns: 1,
        };

        assert!(codec::encode(&dossier).len() < 44 * 1024);
    }

    #[test]
    fn a_rule_ends_with_the_first_of_what_it_rests_on() {
        let mut dossier = Dossier::new(Pseudonym([1; 32]));
        let mut first = rule(1, Effect::Permits, 0, 90);
        first.terms.agreement = Some(AgreementId([7; 32]));
        let mut second = rule(2, Effect::Permits, 0, 80);
        second.passed_from = Some(first.id);
        dossier.rules = vec![first, second];
        let ends = |dossier: &Dossier, footings: &Footings| {
            let [first, second] = [0, 1].map(|n| dossier.end(&dossier.rules[n], footings));
            (first.as_millis(), second.as_millis())
        };
        let footings =
            |until, ended| Footings([(AgreementId([7; 32]), footing(until, ended))].into());

        assert_eq!(ends(&dossier, &footings(99, false)), (90, 80));
        assert_eq!(ends(&dossier, &footings(70, false)), (70, 70));
        assert_eq!(ends(&dossier, &footings(70, true)), (0, 0));
        assert_eq!(ends(&dossier, &Footings::default()), (0, 0));
        dossier.rules[1].revoked_at = Some(at(20));
        assert_eq!(ends(&dossier, &footings(70, false)), (70, 20));
        dossier.rules[0].revoked_at = Some(at(10));
        assert_eq!(ends(&dossier, &footings(70, false)), (10, 10));
    }

    /// Only what has ended makes room, and what was passed on goes with what it came from.
    #[test]
    fn ended_rules_make_room_and_live_ones_do_not() {
        let mut dossier = Dossier::new(Pseudonym([1; 32]));
        let footings = Footings::default();
        for n in 0..RULES_MAX {
            let n = u8::try_from(n).expect("few");
            let added = dossier.add(rule(n, Effect::Permits, 0, 50), &footings, at(1));
            assert_eq!(added, Ok(()));
        }
        let more = rule(200, Effect::Permits, 0, 50);

        assert_eq!(dossier.add(more, &footings, at(49)), Err(DossierFull));
        assert_eq!(dossier.turns(&footings, at(49)), 0);
        dossier.rules[0].revoked_at = Some(at(40));
        dossier.rules[1].passed_from = Some(dossier.rules[0].id);
        assert_eq!(dossier.add(more, &footings, at(49)), Ok(()));

        assert_eq!(dossier.rules.len(), RULES_MAX - 1);
        assert_eq!(dossier.forgotten_turns, 2);
    }

    /// Each agreement that is still needed is a row to read, so that there is a bound on these too.
    #[test]
    fn grants_rest_on_few_agreements() {
        let mut dossier = Dossier::new(Pseudonym([1; 32]));
        let footings = Footings(
            (0..=255)
                .map(|n| (AgreementId([n; 32]), footing(90, false)))
                .collect(),
        );
        let resting = |n: u8| {
            let mut rule = rule(n, Effect::Permits, 0, 50);
            rule.terms.agreement = Some(AgreementId([n; 32]));
            rule
        };
        for n in 0..u8::try_from(FOOTINGS_MAX).expect("few") {
            assert_eq!(dossier.add(resting(n), &footings, at(1)), Ok(()));
        }

        assert_eq!(dossier.add(resting(99), &footings, at(1)), Err(DossierFull));
        assert_eq!(dossier.add(resting(3), &footings, at(1)), Ok(()));
        assert_eq!(
            dossier.add(rule(98, Effect::Permits, 0, 50), &footings, at(1)),
            Ok(())
        );
        assert_eq!(dossier.add(resting(99), &footings, at(50)), Ok(()));
    }

    /// More open glasses than are counted one by one begin a new period early, never late.
    #[test]
    fn glasses_beyond_the_bound_count_as_closed() {
        let mut dossier = Dossier::new(Pseudonym([1; 32]));
        for n in 0..GLASSES_MAX as u64 + 3 {
            dossier.break_glass(at(100 + n), at(n));
        }

        assert_eq!(dossier.glasses.len(), GLASSES_MAX);
        assert_eq!(dossier.turns(&Footings::default(), at(99)), 3);
        assert_eq!(
            dossier.turns(&Footings::default(), at(1000)),
            GLASSES_MAX as u64 + 3
        );
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let effect = prop_oneof![3 => Just(Effect::Permits), 1 => Just(Effect::Forbids)];
        (effect, 0u64..20, 1u64..20)
            .prop_map(|(effect, from, length)| rule(0, effect, from, from + length))
    }

    /// A rule, or what else may happen, and how much later.
    fn steps() -> impl Strategy<Value = Vec<(Option<Rule>, u8, u64)>> {
        proptest::collection::vec(
            (proptest::option::of(any_rule()), 0u8..=255, 0u64..4),
            0..300,
        )
    }

    proptest! {
        /// The turns never shrink, whatever is added, revoked, passed on or forgotten, and with time.
        #[test]
        fn turns_never_shrink(steps in steps()) {
            let mut dossier = Dossier::new(Pseudonym([1; 32]));
            let footings = Footings::default();
            let (mut now, mut before, mut names) = (0, 0, 0u64);
            for (added, which, later) in steps {
                now += later;
                let turns = dossier.turns(&footings, at(now));
                prop_assert!(turns >= before);
                before = turns;
                match added {
                    Some(mut added) => {
                        names += 1;
                        added.id.0[..8].copy_from_slice(&names.to_be_bytes());
                        if let Some(first) = dossier.rules.get(usize::from(which))
                            && first.passed_from.is_none() && now < dossier.end(first, &footings).as_millis()
                            && first.effect == Effect::Permits && added.effect == Effect::Permits
                        {
                            added.passed_from = Some(first.id);
                        }
                        let _ = dossier.add(added, &footings, at(now));
                    }
                    None if which > 200 => dossier.break_glass(at(now + 3), at(now)),
                    None => {
                        if let Some(rule) = dossier.rules.get_mut(usize::from(which))
                            && rule.revoked_at.is_none()
                            && at(now) < rule.terms.until
                        {
                            rule.revoked_at = Some(at(now));
                        }
                    }
                }
                let turns = dossier.turns(&footings, at(now));
                prop_assert!(turns >= before);
                before = turns;
            }
        }

        /// Erased days are those of any order, day by day.
        #[test]
        fn erased_days_are_those_that_were_ordered(
            orders in proptest::collection::vec((0usize..2, 0u32..30, 0u32..5), 0..20),
        ) {
            let mut dossier = Dossier::new(Pseudonym([1; 32]));
            let mut days = std::collections::BTreeSet::new();
            for (category, first, more) in orders {
                let category = Category::ALL[category];
                let last = first + more;
                let order = ErasedDays { category, first, last };
                dossier.erase(order).expect("few");
                days.extend((first..=last).map(|day| (category, day)));
            }

            for category in [Category::ALL[0], Category::ALL[1]] {
                for first in 0..36 {
                    for last in first..36 {
                        let all = (first..=last).all(|day| days.contains(&(category, day)));
                        prop_assert_eq!(dossier.is_erased(category, first, last), all);
                    }
                }
            }
        }
    }

    #[test]
    fn days_at_the_ends_of_time_are_erased_like_others() {
        let mut dossier = Dossier::new(Pseudonym([1; 32]));
        let category = Category::Claims;
        for (first, last) in [(0, 0), (u32::MAX, u32::MAX), (u32::MAX - 1, u32::MAX - 1)] {
            let order = ErasedDays {
                category,
                first,
                last,
            };
            dossier.erase(order).expect("room");
        }

        assert_eq!(dossier.erased.len(), 2);
        assert!(dossier.is_erased(category, u32::MAX - 1, u32::MAX));
    }
}
