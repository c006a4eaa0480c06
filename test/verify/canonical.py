"""The encodings of doc/bundle.md, written from their specifications: RFC 8785, RFC 6962, C2SP signed-note, leaves."""

import base64
import hashlib
import json
import re
import struct

INTEGER, TIME, DECIMAL, TEXT, JSON, BYTES = 1, 2, 3, 4, 5, 6

# kind -> the columns by number, from 1: name, type, bytes of a fixed length or None, whether it may be NULL.
KINDS = {
    'invoice': 'tenant_id:text invoice_id:uuid account_id:text legal_entity_id:text currency:text exponent:integer '
               'attempt:integer number:text invoice_date:integer period_start:integer period_end:integer '
               'due_date:integer line_count:integer content_hash:hash subtotal_minor:integer tax_minor:integer '
               'total_minor:integer finalized_at:time',
    'invoice_line': 'tenant_id:text invoice_id:uuid line_no:integer rated_line_id:uuid subscription_id:uuid '
                    'plan_id:text version:integer charge_id:text period_start:integer period_end:integer '
                    'share_days:integer share_of_days:integer quantity:decimal rated_minor:integer '
                    'billed_minor:integer amount_minor:integer currency:text is_correction:integer',
    'invoice_event': 'tenant_id:text invoice_id:uuid sequence:integer from_status:text? to_status:text '
                     'total_minor:integer actor_hash:hash reason_hash:hash? occurred_at:time document_hash:hash? '
                     'salt:uuid prev_hash:hash self_hash:hash',
    'rated_line': 'tenant_id:text rated_line_id:uuid subscription_id:uuid charge_id:text period_start:integer '
                  'revision:integer account_id:text plan_id:text version:integer period_end:integer due_on:integer '
                  'share_days:integer share_of_days:integer quantity:decimal amount_minor:integer '
                  'posted_minor:integer currency:text rating_key:hash rated_on:integer window_no:integer '
                  'rated_at:time',
    'ledger_entry': 'tenant_id:text entry_id:uuid posted_on:integer account_id:text entry_type:text '
                    'debit_account:text credit_account:text amount_minor:integer currency:text source:text '
                    'source_id:uuid memo_hash:hash? posted_at:time',
    'plan_version': 'plan_id:text version:integer currency:text period_months:integer plan_hash:hash '
                    'published_at:time',
    'usage_window': 'tenant_id:text sequence:integer window_no:integer rows_processed:integer first_day:integer '
                    'last_day:integer digest:hash counts_digest:hash salt:uuid prev_hash:hash self_hash:hash '
                    'created_at:time',
    'erasure': 'tenant_id:text erasure_id:uuid account_id:text cause:text reason_hash:hash? fields_destroyed:json '
               'fields_restricted:json purge_after:integer? erased_on:integer erased_at:time',
    'count': 'day:integer account_id:text meter_id:text dimensions:json aggregation:text quantity:decimal '
             'events:integer latest_at:time',
    'coverage_event': 'tenant_id:text event_id:text created_at:time entry_id:uuid device_id:uuid event_type:text plan:text? '
                      'effective_from:integer effective_to:integer? row_hash:hash',
    'claim_event': 'tenant_id:text sequence:integer event_type:text identity_type:text identity_hash:hash device_id:uuid '
                   'from_status:text? to_status:text effective_from:integer resolution:text? winner_id:uuid? '
                   'former_id:uuid? moved_on:integer? actor_hash:hash reason_hash:hash? occurred_at:time salt:uuid '
                   'prev_hash:hash self_hash:hash',
}
TYPES = {'integer': (INTEGER, 8), 'time': (TIME, 8), 'decimal': (DECIMAL, None), 'text': (TEXT, None),
         'json': (JSON, None), 'uuid': (BYTES, 16), 'hash': (BYTES, 32)}
COLUMNS = {kind: [(column.split(':')[0], *TYPES[column.split(':')[1].rstrip('?')], column.endswith('?'))
                  for column in columns.split()] for kind, columns in KINDS.items()}


def sha256(data):
    return hashlib.sha256(data).digest()


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    """Strict: exactly the text that b64 gives."""
    data = base64.b64decode(text, validate=True)
    if b64(data) != text:
        raise ValueError('not canonical base64')
    return data


def es_number(value):
    """ECMAScript's Number::toString of a finite double."""
    if value == 0:
        return '0'
    sign = '-' if value < 0 else ''
    mantissa, _, exponent = f'{abs(value)!r}'.partition('e')
    whole, _, fraction = mantissa.partition('.')
    fraction = '' if fraction == '0' else fraction
    digits = (whole + fraction).lstrip('0')
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip('0')
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + '0' * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + '.' + digits[point:]
    if -6 < point <= 0:
        return sign + '0.' + '0' * -point + digits
    tail = f'e{"+" if point > 0 else "-"}{abs(point - 1)}'
    return sign + digits[0] + ('.' + digits[1:] if count > 1 else '') + tail


def jcs(value):
    """RFC 8785, as text."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        return es_number(float(value))
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return '[' + ','.join(map(jcs, value)) + ']'
    members = sorted(value.items(), key=lambda member: member[0].encode('utf-16-be'))
    return '{' + ','.join(f'{jcs(key)}:{jcs(inner)}' for key, inner in members) + '}'


def read_jcs(data):
    """The value of a text that is its own canonical form; ValueError for any other."""
    def no_repeats(pairs):
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError('repeated member')
        return dict(pairs)

    def refuse(name):
        raise ValueError(name)

    try:
        value = json.loads(data.decode(), object_pairs_hook=no_repeats, parse_constant=refuse)
        canonical = jcs(value).encode()
    except (OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if canonical != data:
        raise ValueError('not in canonical form')
    return value


def encode_value(type_number, value):
    if type_number in (INTEGER, TIME):
        return struct.pack('>q', value)
    if type_number == JSON:
        return jcs(value).encode()
    return value if isinstance(value, bytes) else value.encode()


def encode(kind, row):
    """The canonical bytes of a row: a dict of the columns that are not NULL."""
    parts = [b'billing/v1/', kind.encode(), b'\n']
    for number, (name, type_number, _, _) in enumerate(COLUMNS[kind], 1):
        if row.get(name) is not None:
            value = encode_value(type_number, row[name])
            parts.append(struct.pack('>HBI', number, type_number, len(value)) + value)
    return b''.join(parts)


def is_decimal(text):
    """Of at most 38 digits, 18 of them after the point."""
    if re.fullmatch(r'0|-?(0|[1-9][0-9]*)\.[0-9]*[1-9]|-?[1-9][0-9]*', text, re.ASCII) is None:
        return False
    whole, _, fraction = text.lstrip('-').partition('.')
    return len(fraction) <= 18 and len((whole + fraction).lstrip('0')) <= 38


def decode_value(type_number, length, value):
    if length is not None and len(value) != length:
        raise ValueError('wrong length')
    if type_number in (INTEGER, TIME):
        return struct.unpack('>q', value)[0]
    if type_number == JSON:
        return read_jcs(value)
    if type_number == BYTES:
        return value
    text = value.decode()
    if '\0' in text or type_number == DECIMAL and not is_decimal(text):
        raise ValueError('not canonical')
    return text


def decode(kind, data):
    """The row of canonical bytes; NULL columns are None. ValueError when they are not those of the kind."""
    start = b'billing/v1/' + kind.encode() + b'\n'
    if not data.startswith(start):
        raise ValueError(f'not of kind {kind}')
    row = {name: None for name, _, _, _ in COLUMNS[kind]}
    at, before = len(start), 0
    while at < len(data):
        if len(data) - at < 7:
            raise ValueError('cut short')
        number, type_number, length = struct.unpack_from('>HBI', data, at)
        value = data[at + 7:at + 7 + length]
        if not before < number <= len(COLUMNS[kind]) or len(value) != length:
            raise ValueError('unknown column, out of order or cut short')
        name, known_type, known_length, _ = COLUMNS[kind][number - 1]
        if type_number != known_type:
            raise ValueError(f'{name}: wrong type')
        row[name] = decode_value(type_number, known_length, value)
        at, before = at + 7 + length, number
    for name, _, _, may_be_null in COLUMNS[kind]:
        if row[name] is None and not may_be_null:
            raise ValueError(f'{name} is missing')
    return row


def leaf_hash(data):
    return sha256(b'\0' + data)


def node_hash(left, right):
    return sha256(b'\1' + left + right)


def split(size):
    """The largest power of two below size (RFC 6962 2.1)."""
    return 1 << (size - 1).bit_length() - 1


def root(leaves):
    if not leaves:
        return sha256(b'')
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(root(leaves[:k]), root(leaves[k:]))


def inclusion(index, leaves):
    """RFC 6962 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return inclusion(index, leaves[:k]) + [root(leaves[k:])]
    return inclusion(index - k, leaves[k:]) + [root(leaves[:k])]


def consistency(older, leaves, whole=True):
    """RFC 6962 2.1.2."""
    if older in (0, len(leaves)):
        return [] if whole else [root(leaves)]
    k = split(len(leaves))
    if older <= k:
        return consistency(older, leaves[:k], whole) + [root(leaves[k:])]
    return consistency(older - k, leaves[k:], False) + [root(leaves[:k])]


def key_id(name, kind, public):
    return sha256(name.encode() + b'\n' + bytes([kind]) + public)[:4]


def vkey(name, public, kind=1):
    return f'{name}+{key_id(name, kind, public).hex()}+{b64(bytes([kind]) + public)}'
