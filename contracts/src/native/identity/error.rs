//! Why the identity contract refuses.
//!
//! Who has no right to a person is told [`IdentityError::UnknownPerson`], whether it is registered or not: a refusal must not say who is a
//! patient where.

use crate::error::stable_errors;
use salus_primitives::crypto::sign::KeyError;

stable_errors! {
    /// Why an identity call is refused.
    pub enum IdentityError {
        /// A device, a validator or a key service called, or somebody else what is an entity's to do.
        NotAnEntity = 1, "not_an_entity", "only an entity may do this, by its operator's key";
        /// Another role called what is a ministry's to do.
        NotAMinistry = 2, "not_a_ministry", "only a ministry may do this";
        /// Ministries come from genesis and governance.
        RoleNotGrantable = 3, "role_not_grantable", "a ministry cannot be registered by a ministry";
        /// See [`name_is_valid`](super::name_is_valid).
        BadName = 4, "bad_name", "a name is 1 to 64 lower-case letters, digits and inner . _ -";
        /// The name is taken, perhaps by a revoked entity.
        EntityExists = 5, "entity_exists", "an entity of this name is or was registered";
        /// There is no such entity.
        UnknownEntity = 6, "unknown_entity", "there is no such entity";
        /// The entity is revoked already.
        EntityRevoked = 7, "entity_already_revoked", "the entity is revoked already";
        /// Members leave by governance.
        EntityIsMember = 8, "entity_is_member", "a member cannot be revoked by a ministry";
        /// The caller's role runs no devices.
        RoleRunsNoDevices = 9, "role_runs_no_devices", "the caller's role runs no devices";
        /// The device id is taken, perhaps by a revoked device.
        DeviceExists = 10, "device_exists", "this device is or was registered";
        /// There is no such device.
        UnknownDevice = 11, "unknown_device", "there is no such device";
        /// The device, or its model, is revoked already.
        DeviceRevoked = 12, "device_already_revoked", "the device is revoked already";
        /// The device is another entity's.
        NotTheOwner = 13, "not_the_owner", "the device belongs to another entity";
        /// The key is or was bound.
        KeyInUse = 14, "key_in_use", "the key is or was bound to someone";
        /// See [`KeyError::NotAPoint`].
        KeyNotAPoint = 15, "key_not_a_point", "the key is not a point of the curve";
        /// See [`KeyError::NotCanonical`].
        KeyNotCanonical = 16, "key_not_canonical", "the key is not canonically encoded";
        /// See [`KeyError::Weak`].
        KeyWeak = 17, "key_weak", "the key has small order";
        /// See [`exchange_key_is_usable`](super::exchange_key_is_usable).
        BadExchangeKey = 18, "bad_exchange_key", "the exchange key has small order or is not canonical";
        /// None, or more than [`DEVICES_IN_BATCH_MAX`](salus_primitives::calls::DEVICES_IN_BATCH_MAX).
        BatchOutOfBounds = 19, "batch_out_of_bounds", "a batch has 1 to 256 devices";
        /// Not ascending, or one twice.
        DevicesOutOfOrder = 20, "devices_out_of_order", "the devices of a batch ascend by id, each once";
        /// The device is of a model that was revoked.
        ModelRevoked = 21, "model_revoked", "devices of this model can be registered no more";
        /// The entity has registered no device of the model.
        UnknownModel = 22, "unknown_model", "the entity has registered no device of this model";
        /// The model is revoked already.
        ModelAlreadyRevoked = 23, "model_already_revoked", "the model is revoked already";
        /// A key would hold from a block on that is not ahead.
        HeightNotAhead = 24, "height_not_ahead", "the height from which the key holds is not ahead";
        /// The practitioner's id is taken, perhaps by one who was revoked.
        PractitionerExists = 25, "practitioner_exists", "this practitioner is or was registered";
        /// There is no such practitioner.
        UnknownPractitioner = 26, "unknown_practitioner", "there is no such practitioner";
        /// The practitioner is revoked already.
        PractitionerRevoked = 27, "practitioner_already_revoked", "the practitioner is revoked already";
        /// The practitioner works for another entity, or is another one than the caller.
        NotTheEmployer = 28, "not_the_employer", "the practitioner works for another entity";
        /// The pseudonym is taken.
        PersonExists = 29, "person_exists", "this pseudonym is registered";
        /// There is no such person, or the caller has no right to it. Says no more on purpose.
        UnknownPerson = 30, "unknown_person", "there is no such person that the caller could do this for";
        /// A person's to do.
        NotAPerson = 31, "not_a_person", "only a person may do this";
        /// The person is not of age.
        PersonIsMinor = 32, "person_is_minor", "the person is not of age";
        /// An entity guards minors only.
        PersonIsOfAge = 33, "person_is_of_age", "the person is of age";
        /// The person changes its keys itself.
        PersonHasKeys = 34, "person_has_keys", "the person has keys, and changes them itself";
        /// Fewer than [`CUSTODIANS_MIN`](salus_primitives::calls::CUSTODIANS_MIN) or more than [`CUSTODIANS_MAX`](salus_primitives::calls::CUSTODIANS_MAX).
        CustodiansOutOfBounds = 35, "custodians_out_of_bounds", "a person has 2 to 5 custodians";
        /// Not ascending, or one twice.
        CustodiansOutOfOrder = 36, "custodians_out_of_order", "custodians ascend, each once";
        /// A custodian is not registered, is revoked, or offers no key service.
        NotACustodian = 37, "not_a_custodian", "a custodian is no entity that offers to hold keys";
        /// More than [`CUSTODIANS_EVER_MAX`](super::CUSTODIANS_EVER_MAX).
        TooManyCustodians = 38, "too_many_custodians", "the person has had too many custodians";
        /// It is the person itself, is not registered, has no keys or is a minor.
        UnsuitableRepresentative = 39, "unsuitable_representative", "a representative is another person, of age and with keys";
        /// It acts for the person already.
        RepresentationExists = 40, "representation_exists", "this representative acts for the person already";
        /// The person has [`REPRESENTATIVES_MAX`](super::REPRESENTATIVES_MAX).
        TooManyRepresentatives = 41, "too_many_representatives", "the person has too many representatives";
        /// It does not act for the person.
        NoRepresentation = 42, "no_representation", "this representative does not act for the person";
        /// It was appointed by another.
        NotTheAppointer = 43, "not_the_appointer", "who was appointed by another is not the caller's to end";
        /// A time is not ahead of the block's.
        TimeNotAhead = 44, "time_not_ahead", "the time is not ahead of the block's";
        /// A pseudonym and itself.
        MergeWithItself = 45, "merge_with_itself", "a pseudonym cannot be merged into itself";
        /// The pseudonym is merged already.
        AlreadyMerged = 46, "already_merged", "the pseudonym is merged already";
        /// One that is merged cannot take another, nor the other way round.
        MergeChained = 47, "merge_chained", "merges do not follow one another";
        /// Over [`MERGED_MAX`](super::MERGED_MAX).
        TooManyMerged = 48, "too_many_merged", "too many pseudonyms are merged into this one";
        /// The caller has said so, and others have yet to.
        AlreadyAssented = 49, "already_assented", "the caller has assented already, and others have not";
        /// There is nothing to split.
        NotMerged = 50, "not_merged", "the pseudonym is neither merged nor about to be";
        /// All is so already.
        NothingChanges = 51, "nothing_changes", "the call changes nothing";
        /// See [`Numbers`](super::Numbers).
        TooManyRegistered = 52, "too_many_registered", "the entity has registered as many as it may";
    }
}

impl From<KeyError> for IdentityError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotAPoint(_) => Self::KeyNotAPoint,
            KeyError::NotCanonical(_) => Self::KeyNotCanonical,
            KeyError::Weak(_) => Self::KeyWeak,
        }
    }
}
