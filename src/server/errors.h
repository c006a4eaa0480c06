/*
 * errors.h: every error code of billing, once.
 *
 * SQLSTATE class MB. A code is a promise to applications: it names a kind of
 * refusal and never changes its meaning. SQL and PL/pgSQL name the same codes
 * as text, which test/tidy checks; doc/reference.md lists them from here.
 */
#ifndef BILLING_ERRORS_H
#define BILLING_ERRORS_H

#include "utils/elog.h"

#define BILLING_SQLSTATE(a, b, c) MAKE_SQLSTATE('M', 'B', a, b, c)

/* ---- Arguments and documents that cannot be accepted. ---- */

/* An argument is missing, malformed or out of range. */
#define ERRCODE_BILLING_INVALID_ARGUMENT BILLING_SQLSTATE('4', '0', '0')

/* The token in billing.token does not verify: expired, malformed, of an unknown key, or its signature does not hold. */
#define ERRCODE_BILLING_INVALID_TOKEN BILLING_SQLSTATE('4', '0', '1')

/* The token allows to read, and the call changes something. */
#define ERRCODE_BILLING_NOT_ALLOWED BILLING_SQLSTATE('4', '0', '3')

/* The same key was used before with other content. */
#define ERRCODE_BILLING_CONFLICT BILLING_SQLSTATE('4', '0', '9')

/* The price document is malformed. */
#define ERRCODE_BILLING_INVALID_PRICE BILLING_SQLSTATE('4', '1', '0')

/* A price with tiers has none. */
#define ERRCODE_BILLING_NO_TIERS BILLING_SQLSTATE('4', '1', '1')

/* Tiers overlap, are unordered, or the last one is not open. */
#define ERRCODE_BILLING_TIER_ORDER BILLING_SQLSTATE('4', '1', '2')

/* A price is negative. */
#define ERRCODE_BILLING_NEGATIVE_PRICE BILLING_SQLSTATE('4', '1', '3')

/* A price has more than 18 decimals. */
#define ERRCODE_BILLING_TOO_MANY_DECIMALS BILLING_SQLSTATE('4', '1', '4')

/* A quantity is NaN, infinite, too large, has more than 18 decimals, or is negative outside a correction. */
#define ERRCODE_BILLING_INVALID_QUANTITY BILLING_SQLSTATE('4', '1', '5')

/* An amount is beyond bigint minor units. */
#define ERRCODE_BILLING_OVERFLOW BILLING_SQLSTATE('4', '1', '6')

/* A period ends before it starts, or a day is infinite or too far. */
#define ERRCODE_BILLING_INVALID_PERIOD BILLING_SQLSTATE('4', '1', '7')

/* No subscription covers the day of the usage. */
#define ERRCODE_BILLING_NO_SUBSCRIPTION BILLING_SQLSTATE('4', '1', '8')

/* A dimension or filter key is not of the meter, or its value is no string. */
#define ERRCODE_BILLING_INVALID_DIMENSION BILLING_SQLSTATE('4', '1', '9')

/* ---- The state of things does not allow it. ---- */

/* Published terms never change. */
#define ERRCODE_BILLING_IMMUTABLE BILLING_SQLSTATE('4', '2', '0')

/* There is no such transition from the present state. */
#define ERRCODE_BILLING_WRONG_STATE BILLING_SQLSTATE('4', '2', '1')

/* A text or document holds a card number or a card's security code. */
#define ERRCODE_BILLING_CARD_NUMBER BILLING_SQLSTATE('4', '2', '2')

/* UPDATE, DELETE or TRUNCATE of what is append-only. */
#define ERRCODE_BILLING_APPEND_ONLY BILLING_SQLSTATE('4', '2', '3')

/* The month has no partition yet: billing.ensure_partitions(). */
#define ERRCODE_BILLING_NO_PARTITION BILLING_SQLSTATE('4', '2', '4')

/* billing.install() has not been run in this database. */
#define ERRCODE_BILLING_NOT_INSTALLED BILLING_SQLSTATE('4', '2', '5')

/* The data was written in another cluster: billing.adopt_cluster(). */
#define ERRCODE_BILLING_FOREIGN_CLUSTER BILLING_SQLSTATE('4', '2', '6')

/* The isolation level does not fit, or the transaction wrote before. */
#define ERRCODE_BILLING_WRONG_TRANSACTION BILLING_SQLSTATE('4', '2', '7')

/* The terms have another currency or period length. */
#define ERRCODE_BILLING_CURRENCY_MISMATCH BILLING_SQLSTATE('4', '2', '8')

/* ---- What was named does not exist. ---- */

/* No such tenant or account. */
#define ERRCODE_BILLING_UNKNOWN_ACCOUNT BILLING_SQLSTATE('4', '4', '0')

/* No such meter. */
#define ERRCODE_BILLING_UNKNOWN_METER BILLING_SQLSTATE('4', '4', '1')

/* No such currency. */
#define ERRCODE_BILLING_UNKNOWN_CURRENCY BILLING_SQLSTATE('4', '4', '2')

/* No such plan or version. */
#define ERRCODE_BILLING_UNKNOWN_PLAN BILLING_SQLSTATE('4', '4', '3')

/* No such charge. */
#define ERRCODE_BILLING_UNKNOWN_CHARGE BILLING_SQLSTATE('4', '4', '4')

/* No such subscription. */
#define ERRCODE_BILLING_UNKNOWN_SUBSCRIPTION BILLING_SQLSTATE('4', '4', '5')

/* No such invoice. */
#define ERRCODE_BILLING_UNKNOWN_INVOICE BILLING_SQLSTATE('4', '4', '6')

/* No such allocation. */
#define ERRCODE_BILLING_UNKNOWN_ALLOCATION BILLING_SQLSTATE('4', '4', '7')

/* No such legal entity. */
#define ERRCODE_BILLING_UNKNOWN_LEGAL_ENTITY BILLING_SQLSTATE('4', '4', '8')

/* No such usage event to correct. */
#define ERRCODE_BILLING_UNKNOWN_EVENT BILLING_SQLSTATE('4', '4', '9')

/* No such ledger entry. */
#define ERRCODE_BILLING_UNKNOWN_ENTRY BILLING_SQLSTATE('4', '5', '0')

/* No such entry type for posting by hand. */
#define ERRCODE_BILLING_UNKNOWN_ENTRY_TYPE BILLING_SQLSTATE('4', '5', '1')

/* No such product. */
#define ERRCODE_BILLING_UNKNOWN_PRODUCT BILLING_SQLSTATE('4', '5', '2')

/* No row with that key, for a proof. */
#define ERRCODE_BILLING_UNKNOWN_ROW BILLING_SQLSTATE('4', '5', '3')

/* No such device. */
#define ERRCODE_BILLING_UNKNOWN_DEVICE BILLING_SQLSTATE('4', '8', '0')

/* Nobody claims that identity, or not the device named. */
#define ERRCODE_BILLING_UNKNOWN_CLAIM BILLING_SQLSTATE('4', '8', '1')

/* A coverage event of no known type, or whose plan does not go with its type. */
#define ERRCODE_BILLING_COVERAGE_REFUSED BILLING_SQLSTATE('4', '8', '2')

/* ---- Evidence. ---- */

/* What is to be proved is in no checkpoint, or in no signed one, yet. */
#define ERRCODE_BILLING_NOT_SEALED BILLING_SQLSTATE('4', '5', '4')

/* A malformed note, or a signature that does not hold. */
#define ERRCODE_BILLING_INVALID_NOTE BILLING_SQLSTATE('4', '5', '5')

/* The signing key cannot be used: its file, its form, or not the registered one. */
#define ERRCODE_BILLING_SIGNING_KEY BILLING_SQLSTATE('4', '5', '6')

/* ---- Jobs. ---- */

/* pg_cron is not in this database, or cannot be reached from it. */
#define ERRCODE_BILLING_NO_SCHEDULER BILLING_SQLSTATE('4', '5', '7')

/* No such job. */
#define ERRCODE_BILLING_UNKNOWN_JOB BILLING_SQLSTATE('4', '5', '8')

/* Another run of the job has taken over. */
#define ERRCODE_BILLING_JOB_TAKEN_OVER BILLING_SQLSTATE('4', '5', '9')

/* ---- Retention. ---- */

/* A month may not be dropped yet, or a policy not be shortened: the detail says why. */
#define ERRCODE_BILLING_RETENTION BILLING_SQLSTATE('4', '6', '0')

/* A legal hold forbids it, or there is no such hold. */
#define ERRCODE_BILLING_LEGAL_HOLD BILLING_SQLSTATE('4', '6', '1')

/* ---- Keys. ---- */

/* A key file cannot be used: none is set, its owner, mode or place, or what is in it or is not. */
#define ERRCODE_BILLING_KEY_FILE BILLING_SQLSTATE('4', '7', '0')

/* ---- Personal data. ---- */

/* No key for personal data is configured. */
#define ERRCODE_BILLING_NO_FIELD_KEY BILLING_SQLSTATE('4', '7', '1')

/* What is encrypted was changed, moved, or made with another key. */
#define ERRCODE_BILLING_CIPHERTEXT_REFUSED BILLING_SQLSTATE('4', '7', '2')

/* The personal data of the account was erased. */
#define ERRCODE_BILLING_SUBJECT_ERASED BILLING_SQLSTATE('4', '7', '3')

/* ---- What must never happen did. ---- */

/* A defect of billing: please report it. */
#define ERRCODE_BILLING_INTERNAL BILLING_SQLSTATE('5', '0', '0')

#endif
