"""Names of IP protocol numbers, in lower case.

https://www.iana.org/assignments/protocol-numbers/protocol-numbers.xhtml
"""

from __future__ import annotations

NAMES: dict[int, str] = {
    0: "hopopt", 1: "icmp", 2: "igmp", 3: "ggp", 4: "ipv4", 5: "st", 6: "tcp", 7: "cbt", 8: "egp", 9: "igp",
    12: "pup", 17: "udp", 20: "hmp", 22: "xns-idp", 27: "rdp", 28: "irtp", 29: "iso-tp4", 30: "netblt", 33: "dccp",
    36: "xtp", 37: "ddp", 41: "ipv6", 42: "sdrp", 43: "ipv6-route", 44: "ipv6-frag", 45: "idrp", 46: "rsvp",
    47: "gre", 48: "dsr", 50: "esp", 51: "ah", 54: "narp", 55: "min-ipv4", 56: "tlsp", 57: "skip", 58: "ipv6-icmp",
    59: "ipv6-nonxt", 60: "ipv6-opts", 80: "iso-ip", 83: "vines", 88: "eigrp", 89: "ospf", 92: "mtp", 93: "ax.25",
    94: "ipip", 97: "etherip", 98: "encap", 102: "pnni", 103: "pim", 108: "ipcomp", 111: "ipx-in-ip", 112: "vrrp",
    113: "pgm", 115: "l2tp", 118: "stp", 121: "smp", 124: "is-is over ipv4", 126: "crtp", 127: "crudp", 132: "sctp",
    133: "fc", 134: "rsvp-e2e-ignore", 135: "mobility header", 136: "udplite", 137: "mpls-in-ip", 138: "manet",
    139: "hip", 140: "shim6", 141: "wesp", 142: "rohc", 143: "ethernet", 144: "aggfrag", 145: "nsh",
}  # fmt: skip

PROTOCOLS: dict[str, str] = {str(number): name for number, name in NAMES.items()}
