"""Rules and pipelines whose every pair is read by us and by pySigma."""

from __future__ import annotations

from textwrap import dedent, indent


def _rule(detection: str, more: str = "") -> str:
    head = "title: T\nlogsource: {product: aws, service: cloudtrail}\nlevel: high\ntags: [attack.t1098]\n"
    return f"{head}fields: [a, b, other]\n{more}detection:\n{indent(dedent(detection), '  ')}"


RULES = {
    "map": _rule("  s: {a: one, b: [two, 3], c: null}\n  condition: s\n"),
    "modifiers": _rule(
        """\
          s:
            a|contains|all: [one, 'two*']
            b|startswith: [x, 'y?z']
            c|endswith: '.exe'
            d|re|i: 'one.*%two'
            e|cidr: [10.0.0.0/8]
            f|gte: 5
            g|exists: true
          condition: s
        """
    ),
    "neq": _rule("  s: {a|neq: one, b|neq: [two, three], c: 3}\n  condition: not s\n"),
    "fieldref": _rule("  s: {a|fieldref: b, c|fieldref: a, d|fieldref|startswith: [a, other]}\n  condition: s\n"),
    "list of maps": _rule("  s: [{a: one, b: two}, {a: '*', c: 3}]\n  t: {b: x}\n  condition: s and not t\n"),
    "keywords": _rule("  k: [one, 'two words', 3]\n  l: {'|all': [x, 'y*']}\n  condition: k or l\n"),
    "of": _rule("  s_1: {a: one}\n  s_2: {b: two}\n  f: {c: 3}\n  condition: 1 of s_* and not f\n"),
    "of all": _rule("  s_1: {a: one}\n  s_2: {b: two, c: three}\n  condition: all of them\n"),
    "two conditions": _rule("  s: {a: one}\n  t: {b: two}\n  condition: [s, 's and t']\n"),
    "cased": _rule("  s: {a|cased: One, b|contains|cased: [Two, Three]}\n  condition: s\n"),
    "escapes": _rule(r"  s: {a: 'c:\\dir\\*', b: '\\\\host\\x\*y\?', c: 'back\\slash\'}" + "\n  condition: s\n"),
    "encoded": _rule("  s: {a|base64: one, b|base64offset|contains: two, c|windash: '-x y'}\n  condition: s\n"),
    "placeholders": _rule(
        "  s: {a|expand: '%admins%', b|expand|contains: 'x%hosts%y%admins%', c: '%plain%'}\n  condition: s\n"
    ),
    "placeholder in regex": _rule("  s: {a|re|expand: 'x%hosts%[0-9]+.*'}\n  condition: s\n"),
    "types": _rule("  s: {a: true, b: 4.5, c: 'null', d: '', e: 22}\n  condition: s\n"),
    "same keys": _rule(
        """\
          s: {a: [one, two], b: [three, four], A: five}
          t: {a|neq: [one, two], b|neq: three}
          u: {a|contains|all: [one, two], b|contains|all: [two, three]}
          v: {a|neq|all: [one, two], b|neq|all: [two, three]}
          condition: s or t or u or v
        """
    ),
    "hashes": _rule(
        """\
          s: {Hashes|contains: ['MD5=987B65CD9B9F4E9A1AFD8F8B48CF64A7', 'IMPHASH=x'], a: one}
          t: {Hash: '987B65CD9B9F4E9A1AFD8F8B48CF64A7'}
          condition: s or t
        """
    ),
    "custom": _rule("  s: {a: one}\n  condition: s\n", "custom: {owner: x}\nrisk: 5\nteam: blue\n"),
}


def _pipeline(steps: str, head: str = "") -> str:
    return f"name: p\npriority: 10\n{head}transformations:\n{dedent(steps)}"


MAP = "type: field_name_mapping, mapping"
VARS = "vars: {admins: [root, 'adm*'], hosts: ['h.1', 7], plain: p}\n"

PIPELINES = {
    "one to one": _pipeline(f"- {{{MAP}: {{a: x.a, b: x.b}}}}\n"),
    "one to many": _pipeline(f"- {{{MAP}: {{a: [x, y], b: [z]}}}}\n"),
    "many to one": _pipeline(f"- {{{MAP}: {{a: x, b: x, A: x}}}}\n"),
    "all to many": _pipeline(f"- {{{MAP}: {{a: [x, y], b: [x, z], c: [u, v]}}}}\n"),
    "keywords to a field": _pipeline(f"- {{{MAP}: {{null: message}}}}\n"),
    "keywords to fields": _pipeline(f"- {{{MAP}: {{null: [message, text]}}}}\n"),
    "chain": _pipeline(
        f"""\
        - {{id: one, {MAP}: {{a: b1, b: [b2, b3]}}}}
        - {{{MAP}: {{b1: b9, b2: [c1, c2]}}}}
        - type: field_name_suffix
          suffix: .kw
          field_name_conditions: [{{type: processing_item_applied, processing_item_id: one}}]
        - type: set_value
          value: marked
          detection_item_conditions: [{{type: processing_item_applied, processing_item_id: one}}]
        """
    ),
    "prefix mapping": _pipeline("- {type: field_name_prefix_mapping, mapping: {a: x., o: [p, q]}}\n"),
    "prefix": _pipeline("- {type: field_name_prefix, prefix: win.}\n"),
    "suffix": _pipeline("- {type: field_name_suffix, suffix: .keyword}\n"),
    "included": _pipeline(
        """\
        - type: field_name_prefix
          prefix: p.
          field_name_conditions: [{type: include_fields, fields: [a, other]}]
        """
    ),
    "excluded": _pipeline(
        """\
        - type: field_name_mapping
          mapping: {a: [x, y], b: z, c: w, other: o, null: kw}
          field_name_conditions: [{type: exclude_fields, fields: ['a.*', 'o'], mode: re}]
        """
    ),
    "field names linked": _pipeline(
        """\
        - type: field_name_prefix
          prefix: p.
          field_name_conditions:
            one: {type: include_fields, fields: [a, b]}
            two: {type: include_fields, fields: [b, c]}
          field_name_cond_expr: one and not two
        - type: field_name_prefix
          prefix: q.
          field_name_conditions: [{type: include_fields, fields: [b]}, {type: include_fields, fields: [c]}]
          field_name_cond_op: or
          field_name_cond_not: true
        """
    ),
    "dropped by field": _pipeline(
        "- {type: drop_detection_item, field_name_conditions: [{type: include_fields, fields: [a]}]}\n"
    ),
    "dropped by two fields": _pipeline(
        "- {type: drop_detection_item, field_name_conditions: [{type: include_fields, fields: [b, c]}]}\n"
    ),
    "dropped by value": _pipeline(
        """\
        - type: drop_detection_item
          detection_item_conditions: [{type: match_string, cond: any, pattern: '(?i)\\*?one'}]
        """
    ),
    "dropped null": _pipeline(
        "- {type: drop_detection_item, detection_item_conditions: [{type: is_null, cond: all}]}\n"
    ),
    "dropped wildcards": _pipeline(
        "- {type: drop_detection_item, detection_item_conditions: [{type: contains_wildcard, cond: any}]}\n"
    ),
    "dropped number": _pipeline(
        "- {type: drop_detection_item, detection_item_conditions: [{type: match_value, cond: any, value: 3}]}\n"
    ),
    "value conditions linked": _pipeline(
        """\
        - type: set_value
          value: changed
          detection_item_conditions:
            one: {type: match_string, cond: all, pattern: '.*o', negate: true}
            two: {type: match_value, cond: any, value: one}
            three: {type: contains_wildcard, cond: any}
          detection_item_cond_expr: (one or two) and not three
        - type: set_value
          value: 5
          detection_item_conditions: [{type: match_value, cond: any, value: changed}]
          detection_item_cond_not: true
        """
    ),
    "condition added": _pipeline(
        "- {type: add_condition, conditions: {index: [i1, i2], 'host|startswith': web, n: 5}}\n"
    ),
    "condition added negated": _pipeline("- {type: add_condition, conditions: {x: y}, negated: true, name: extra}\n"),
    "condition by template": _pipeline(
        "- {type: add_condition, template: true, conditions: {i: '$product-$service', j: [$x, 4, '$product']}}\n"
    ),
    "condition added and mapped": _pipeline(
        f"- {{type: add_condition, conditions: {{a: y}}}}\n- {{{MAP}: {{a: [x1, x2]}}}}\n"
    ),
    "log source": _pipeline("- {type: change_logsource, product: linux, category: process_creation}\n"),
    "replaced": _pipeline("- {type: replace_string, regex: '^([a-z]+)', replacement: 'p_\\1*'}\n"),
    "replaced backslash": _pipeline("- {type: replace_string, regex: '\\\\', replacement: '/'}\n"),
    "replaced wildcard": _pipeline("- {type: replace_string, regex: '\\*', replacement: '#'}\n"),
    "replaced text only": _pipeline("- {type: replace_string, regex: '[eo]', replacement: '*', skip_special: true}\n"),
    "replaced and read": _pipeline(
        "- {type: replace_string, regex: '[eo]', replacement: '?', skip_special: true, interpret_special: true}\n"
    ),
    "mapped text": _pipeline("- {type: map_string, mapping: {one: uno, 'two': [due, 'zw*'], '*one*': x}}\n"),
    "text set": _pipeline("- {type: set_value, value: 'a*b'}\n"),
    "number set": _pipeline("- {type: set_value, value: '7', force_type: num}\n"),
    "null set": _pipeline(
        "- {type: set_value, value: null, field_name_conditions: [{type: include_fields, fields: [a, b]}]}\n"
    ),
    "to text": _pipeline("- {type: convert_type, target_type: str}\n"),
    "to number": _pipeline(
        """\
        - type: convert_type
          target_type: num
          field_name_conditions: [{type: include_fields, fields: [e]}]
        """
    ),
    "lower": _pipeline("- {type: case, method: lower}\n"),
    "upper": _pipeline("- {type: case, method: upper}\n"),
    "snake": _pipeline("- {type: case, method: snake_case}\n"),
    "placeholders": _pipeline("- {type: value_placeholders}\n", VARS),
    "some placeholders": _pipeline("- {type: value_placeholders, include: [hosts]}\n", VARS),
    "placeholders as wildcards": _pipeline(
        "- {type: value_placeholders, exclude: [admins]}\n- {type: wildcard_placeholders}\n", VARS
    ),
    "fields list": _pipeline(
        """\
        - {type: add_field, field: [n1, a]}
        - {type: remove_field, field: [a, missing]}
        - {type: add_field, field: n2}
        """
    ),
    "fields set": _pipeline("- {type: set_field, fields: [x, y]}\n"),
    "custom attribute": _pipeline("- {type: set_custom_attribute, attribute: table, value: {x: 1}}\n"),
    "hashes": _pipeline("- {type: hashes_fields, valid_hash_algos: [MD5, SHA1], field_prefix: File}\n"),
    "strict": _pipeline(f"- {{{MAP}: {{a: x, b: [y, z], c: c}}}}\n- {{type: strict_field_mapping_failure}}\n"),
    "nested": _pipeline(
        f"""\
        - type: nest
          id: all
          items:
            - {{id: in, {MAP}: {{a: [x, y]}}}}
            - {{type: set_state, key: k, val: 5}}
          rule_conditions: [{{type: logsource, product: aws}}]
        - type: field_name_suffix
          suffix: .s
          field_name_conditions: [{{type: processing_item_applied, processing_item_id: in}}]
          rule_conditions: [{{type: processing_state, key: k, val: 4, op: gt}}]
        - type: set_custom_attribute
          attribute: seen
          value: true
          rule_conditions:
            - {{type: processing_item_applied, processing_item_id: all}}
            - {{type: processing_item_applied, processing_item_id: in}}
        """
    ),
    "other log source": _pipeline(f"- {{{MAP}: {{a: x}}, rule_conditions: [{{type: logsource, product: windows}}]}}\n"),
    "rule conditions": _pipeline(
        """\
        - type: set_custom_attribute
          attribute: hit
          value: 1
          rule_conditions:
            src: {type: logsource, product: aws}
            fld: {type: contains_field, field: d}
            itm: {type: contains_detection_item, field: c, value: 3}
            tag: {type: tag, tag: attack.t1098}
            lvl: {type: rule_attribute, attribute: level, op: gte, value: medium}
            cor: {type: is_sigma_correlation_rule}
            rul: {type: is_sigma_rule}
          rule_cond_expr: src and (fld or itm) and tag and lvl and not cor and rul
        - type: set_custom_attribute
          attribute: other
          value: 2
          rule_conditions: [{type: tag, tag: attack.x}, {type: contains_field, field: b}]
          rule_cond_op: or
          rule_cond_not: true
        - {type: set_state, key: k, val: 1, rule_conditions: [{type: contains_field, field: c}]}
        - type: set_custom_attribute
          attribute: third
          value: [1, 2]
          rule_conditions: [{type: processing_state, key: k, val: 1}]
        """
    ),
    "attributes": _pipeline(
        """\
        - type: set_custom_attribute
          attribute: r
          value: 1
          rule_conditions: [{type: rule_attribute, attribute: risk, value: 5}]
        - type: set_custom_attribute
          attribute: t
          value: 1
          rule_conditions: [{type: rule_attribute, attribute: team, value: red, op: ne}]
        - type: set_custom_attribute
          attribute: f
          value: 1
          rule_conditions: [{type: rule_attribute, attribute: fields, value: b, op: in}]
        - type: set_custom_attribute
          attribute: g
          value: 1
          rule_conditions: [{type: rule_attribute, attribute: tags, value: attack.t1, op: not_in}]
        - type: set_custom_attribute
          attribute: h
          value: 1
          rule_conditions: [{type: rule_attribute, attribute: title, value: T}]
        """
    ),
    "failure": _pipeline(
        "- {type: rule_failure, message: never, rule_conditions: [{type: contains_field, field: d}]}\n"
    ),
    "line failure": _pipeline(
        """\
        - type: detection_item_failure
          message: never
          field_name_conditions: [{type: include_fields, fields: [c]}]
        """
    ),
}
