# SPDX-License-Identifier: ISC
"""Configurations that carnation 0.1 accepted, what it made of them, and what a
program of today makes of them.

`python3 tests/blackbox/upgrading.py PROGRAM` writes conf-0.1.json: it was run
once, with the last program that called itself 0.1.0."""
import hashlib
import json
import re
import ssl
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).with_name("conf-0.1.json")
ONE = 'capsules = ( { host = "localhost"; root = "root"; } );\n'
PAGES = {
    "index.gmi": "# Home\n", "a.txt": "a\n", "p.gmi": "# P\n", "x.log": "x\n",
    "photo.jpg": "\xff\xd8\xff", "sub/s.gmi": "# S\n", "sub/z.txt": "z\n",
    "az/index.gmi": "# A\n", "start.gmi": "# Start\n", ".config/c.txt": "c\n",
    ".well-known/w.txt": "w\n", "Café notes.gmi": "# C\n", "noext": "text\n",
    "a.xyz": "text\n", "gone.gmi": "# G\n", "deep/er/d.gmi": "# D\n",
}
ASKED = ["/", "/a.txt", "/p.gmi", "/x.log", "/photo.jpg", "/sub/", "/sub",
         "/sub/s.gmi", "/az/", "/az/index.gmi", "/.config/c.txt",
         "/.well-known/w.txt", "/Caf%C3%A9%20notes.gmi", "/noext", "/a.xyz",
         "/gone.gmi", "/old.gmi", "/old", "/old/", "/old/a/b.gmi", "/old/a?q",
         "/1990/x%20y", "/deep/er/", "/deep/er/d.gmi", "/capsule.conf",
         "/nothing"]

# What goes before the one capsule, or is the whole when it names capsules.
CONFS = {
    "least": "",
    "listen": 'listen = ["127.0.0.1:1965", "[::1]:1966"];',
    "listen-all": 'listen = ["*:1965"];',
    "listen-one-family": 'listen = ["0.0.0.0:1965", "[::]:1965"];',
    "listen-port-0": 'listen = ["127.0.0.1:0"];',
    "listen-without-port": 'listen = ["127.0.0.1", "::1"];',
    "listen-without-port-6": 'listen = ["[::1]"];',
    "listen-star": 'listen = ["*"];',
    "listen-unix": 'listen = ["unix:s/x.sock"];',
    "listen-unix-absolute": 'listen = ["unix:/run/x.sock", "127.0.0.1:1"];',
    "listen-list": 'listen = ("127.0.0.1:1", "127.0.0.1:2");',
    "listen-empty": "listen = [];",
    "listen-last-port": 'listen = ["127.0.0.1:65535"];',
    "listen-name": 'listen = ["localhost:1965"];',
    **{f"public_port-{n}": f"public_port = {n};" for n in (0, 1, 65535)},
    **{f"workers-{n}": f"workers = {n};" for n in (0, 1, 64)},
    "user": 'user = "nobody";',
    "user-and-group": 'user = "nobody"; group = "nogroup";',
    "group": 'group = "nogroup";',
    **{f"limits.{name}-{n}": f"limits = {{ {name} = {n}; }};"
       for name, values in {
           "connections": (1, 1024, 1000000), "per_address": (0, 64, 1000000),
           "rate": (0, 1, 1000000), "burst": (1, 60, 1000000),
           "handshake": (1, 10, 3600), "request": (6, 10, 3600),
           "stall": (1, 30, 3600), "drain": (0, 10, 3600)}.items()
       for n in values},
    "limits-none": "limits = { };",
    "limits-rate-and-burst-0": "limits = { rate = 0; burst = 0; };",
    "limits-all": "limits = { connections = 2; per_address = 3; rate = 4;"
                  " burst = 5; exempt = []; handshake = 6; request = 7;"
                  " stall = 8; drain = 9; };",
    "exempt": 'limits = { exempt = ["10.0.0.0/8", "fd00::/8", "192.0.2.1",'
              ' "::1", "0.0.0.0/0", "::/0", "192.0.2.1/32"]; };',
    "exempt-host-bits": 'limits = { exempt = ["10.1.2.3/8"]; };',
    "exempt-mapped": 'limits = { exempt = ["::ffff:192.0.2.1"]; };',
    **{f"tls.minimum-{v}": f'tls = {{ minimum = "{v}"; }};'
       for v in ("1.2", "1.3")},
    "tls.suites": 'tls = { suites = "TLS_AES_128_GCM_SHA256:'
                  'ECDHE-ECDSA-AES128-GCM-SHA256"; };',
    "tls.suites-13": 'tls = { suites = "TLS_AES_256_GCM_SHA384"; };',
    "tls.suites-12": 'tls = { suites = "ECDHE-RSA-AES256-GCM-SHA384"; };',
    "tls.suites-group": 'tls = { suites = "HIGH:!aNULL"; };',
    **{f"tls.tickets-{v}": f"tls = {{ tickets = {v}; }};"
       for v in ("true", "false")},
    "log.access-stderr": 'log = { access = "stderr"; };',
    "log.access-none": 'log = { access = "none"; };',
    "log.access-file": 'log = { access = "access.log"; };',
    "log.access-deeper": 'log = { access = "logs/access.log"; };',
    "log.access-above": 'log = { access = "s/../access.log"; };',
    **{f"log.format-{v}": f'log = {{ format = "{v}"; }};'
       for v in ("text", "json")},
    **{f"log.addresses-{v}": f'log = {{ addresses = "{v}"; }};'
       for v in ("none", "truncated", "full")},
    **{f"log.query-{v}": f"log = {{ query = {v}; }};"
       for v in ("true", "false")},
    "types": 'types = ( { extension = "patch"; type = "text/x-diff"; },'
             ' { extension = ".FOO"; type = "text/plain; charset=utf-8"; } );',
    "types-none": "types = ( );",
    "types-known": 'types = ( { extension = "gmi"; type = "text/plain"; } );',
    "types-dots": 'types = ( { extension = "tar.gz"; type = "a/b"; } );',
    "types-odd": 'types = ( { extension = "c++"; type = "Text/X-C++"; } );',
    "types-parameters": 'types = ( { extension = "a"; type ='
                        ' "text/plain;format=flowed; x=\\"y z\\""; } );',

    "types-many": "types = (" + ", ".join(
        f'{{ extension = "e{i}"; type = "a/b"; }}' for i in range(500)) + ");",
    "types-upper": 'types = ( { extension = "A"; type = "TEXT/PLAIN"; } );',
    "listen-64": "listen = [" + ", ".join(
        f'"127.0.0.1:{i + 1}"' for i in range(64)) + "];",
    "listen-twice": 'listen = ["127.0.0.1:1", "127.0.0.1:1"];',
    "exempt-256": "limits = { exempt = [" + ", ".join(
        f'"10.0.{i}.0/24"' for i in range(256)) + "]; };",
    "log.access-null": 'log = { access = "/dev/null"; };',
    "log.access-dev-stdout": 'log = { access = "/dev/stdout"; };',
    "log.access-dev-stderr": 'log = { access = "/dev/stderr"; };',
    "log.access-link": 'log = { access = "log-link"; };',
    "log.access-in-root": 'log = { access = "root/access.log"; };',
    "tls.suites-cbc": 'tls = { suites = "ECDHE-ECDSA-AES128-SHA"; };',
    "tls.suites-ccm": 'tls = { suites = "TLS_AES_128_CCM_SHA256"; };',
    "tls.suites-chacha": 'tls = { suites = "TLS_CHACHA20_POLY1305_SHA256:'
                         'ECDHE-ECDSA-CHACHA20-POLY1305"; };',

    # -- syntax
    "syntax-comment-in-text": 'log = { access = "a#b--c;d.log"; };',
    "syntax-colons": 'public_port : 7; limits : { rate : 3; };',
    "syntax-no-semicolons": "public_port = 7\nworkers = 2\n",
    "syntax-commas": "public_port = 7, workers = 2, ",
    "syntax-one-line": "public_port=7;workers=2;limits={rate=1;burst=2};",
    "syntax-hexadecimal": "public_port = 0x7B; workers = 0X2;",
    "syntax-long": "public_port = 7L; workers = 2LL; limits = { rate = 0x5L; };",
    "syntax-signs": "public_port = +7; workers = -0;",
    "syntax-leading-zero": "public_port = 0017;",
    "syntax-float": "public_port = 7.0;",
    "syntax-float-exponent": "public_port = 1e3;",
    "syntax-binary": "public_port = 0b111;",
    "syntax-octal": "public_port = 0o17;",
    "syntax-booleans": "log = { query = TRUE; }; tls = { tickets = False; };",
    "syntax-boolean-number": "log = { query = 1; };",
    "syntax-joined": 'log = { format = "js" "on"; addresses = "fu"\n\t"ll"; };',
    "syntax-escapes": 'log = { access = "a\\x2elog"; };',
    "syntax-escape-quote": 'log = { access = "a\\"b\\\\c\\x41.log"; };',
    "syntax-escape-tab": 'log = { access = "a\\tb.log"; };',
    "syntax-escapes-old": 'log = { access = "a\\fb\\rc.log"; };',
    "syntax-escape-unknown": 'log = { access = "a\\qb.log"; };',
    "syntax-escape-bell": 'log = { access = "a\\ab.log"; };',
    "syntax-text-over-lines": 'log = { access = "a\nb.log"; };',
    "syntax-comments": "# one\n// two\n/* three\n * four */ public_port ="
                       " /* five */ 7 // six\n; # seven",
    "syntax-comment-ends": "public_port = 7; # no line end",
    "syntax-crlf": "public_port = 7;\r\n# one\r\nworkers = 2;\r\n",
    "syntax-mark": "\ufeffpublic_port = 7;",
    "syntax-form-feed": "public_port\f=\v7;",
    "syntax-empty-settings": "public_port = 7;;",
    "syntax-trailing-comma": 'listen = ["127.0.0.1:1", ];',
    "syntax-trailing-comma-list": 'listen = ("127.0.0.1:1", );',
    "syntax-trailing-comma-groups":
        'types = ( { extension = "a"; type = "b/c"; }, );',
    "syntax-utf-8": '# Gül\nlog = { access = "gül.log"; };',
    "syntax-latin-1-comment": "# G\udcfcl\npublic_port = 7;",
    "syntax-single-group": 'types = { extension = "a"; type = "b/c"; };',
    "syntax-dashes-in-names": "public_port = 7; limits = { per-address = 3; };",
    "syntax-number-as-text": 'public_port = "7";',
    "syntax-big": "# " + "x" * 100_000 + "\npublic_port = 7;",
    "include": '@include "more.conf"\nworkers = 2;',
    "include-in-group": 'limits = {\n@include "limits.conf"\n};',
    "include-nested": '@include "sub/first.conf"\n',
    "include-after-blanks": '  \t@include "more.conf"\nworkers = 2;',
    "include-absolute": '@include "@/more.conf"\n',
    "include-empty": '@include "empty.conf"\n',
    "include-10": '@include "n1.conf"\n',
    "include-without-line-end": '@include "plain.conf"\nworkers = 2;',
    "include-comment": '@include "more.conf" # why\n',
    "include-in-comment": '# @include "none.conf"\n/*\n@include "none.conf"\n*/',
    "include-spaces": '@include "a b.conf"\n',

    # -- capsules
    "host-address": 'capsules = ( { host = "192.0.2.1"; root = "root"; } );',
    "host-address-6": 'capsules = ( { host = "::1"; root = "root"; } );',
    "host-brackets": 'capsules = ( { host = "[::1]"; root = "root"; } );',
    "host-upper": 'capsules = ( { host = "EXAMPLE.Org"; root = "root"; } );',
    "host-dot": 'capsules = ( { host = "example.org."; root = "root"; } );',
    "host-idn": 'capsules = ( { host = "bücher.example"; root = "root";'
                ' aliases = ["xn--bcher-kva.org", "КНИГИ.example"]; } );',
    "host-underscore": 'capsules = ( { host = "a_b.example"; root="root"; } );',
    "host-one-letter": 'capsules = ( { host = "a"; root = "root"; } );',
    "host-dash": 'capsules = ( { host = "a-b.x--y.example"; root="root"; } );',
    "host-long": 'capsules = ( { host = "' + ".".join(["a" * 63] * 3)
                 + '"; root = "root"; } );',
    "aliases": 'capsules = ( { host = "a.example"; root = "root";'
               ' aliases = ["b.example", "192.0.2.7", "localhost"]; } );',
    "aliases-none": 'capsules = ( { host = "a.example"; root = "root";'
                    " aliases = []; } );",
    "aliases-same": 'capsules = ( { host = "a.example"; root = "root";'
                    ' aliases = ["a.example"]; } );',
    "capsules-two": 'capsules = ( { host = "a.example"; root = "root"; },'
                    ' { host = "b.example"; root = "root"; } );',
    "capsules-many": "capsules = ( " + ", ".join(
        f'{{ host = "h{i}.example"; root = "root"; }}' for i in range(100))
        + " );",
    "root-slash": 'capsules = ( { host = "localhost"; root = "root/"; } );',
    "root-dots": 'capsules = ( { host = "localhost"; root = "./s/../root"; } );',
    "root-absolute": 'capsules = ( { host = "localhost"; root = "@/root"; } );',
    "root-link": 'capsules = ( { host = "localhost"; root = "link"; } );',
    "certificate": 'capsules = ( { host = "localhost"; root = "root";'
                   ' certificate = "certs/localhost.crt";'
                   ' key = "@/certs/localhost.key"; } );',
    **{f"hidden-{i}": 'capsules = ( { host = "localhost"; root = "root";'
       f" hidden = {v}; }} );" for i, v in enumerate((
           "[]", '[".config"]', '[".well-known", ".a b", ".x.y"]'))},
    "aliases-many": 'capsules = ( { host = "h.example"; root = "root";'
                    " aliases = [" + ", ".join(
                        f'"h{i}.example"' for i in range(300)) + "]; } );",
    "hidden-many": 'capsules = ( { host = "localhost"; root = "root";'
                   " hidden = [" + ", ".join(
                       f'".h{i}"' for i in range(300)) + "]; } );",
    **{f"objects-{v}": 'capsules = ( { host = "localhost"; root = "root";'
       f" objects = {v}; }} );" for v in ("true", "false")},
}

# A capsule's own settings: read from capsule.conf, and from the operator's.
CONTENTS = {
    "nothing": "",
    "title": 'title = "Red \\"carnations\\", Гвоздики";',
    "title-empty": 'title = "";',
    "lang": 'lang = "en";',
    "lang-more": 'lang = "az,en-GB, ru";',
    "lang-script": 'lang = "az-Cyrl-AZ";',
    "lang-private": 'lang = "x-klingon";',
    "lang-underscore": 'lang = "it_IT";',
    "lang-empty": 'lang = "";',
    "charset": 'charset = "utf-8";',
    "charset-old": 'charset = "ISO-8859-1";',
    "charset-empty": 'charset = "";',
    "index": 'index = ["start.gmi", "index.gmi"];',
    "index-other": 'index = ["none.gmi", "a.txt"];',
    "index-none": "index = [];",
    "index-many": "index = [" + ", ".join(
        f'"n{i}.gmi"' for i in range(300)) + ', "start.gmi"];',
    "listing-true": "listing = true;",
    "listing-false": "listing = false;",
    "gone": 'gone = ["/gone.gmi", "/old/*", "/old.gmi"];',
    "gone-globs": 'gone = ["/[gh]one.gmi", "/?ub/*", "*.log"];',
    "gone-decoded": 'gone = ["/Café notes.gmi"];',
    "gone-encoded": 'gone = ["/Caf%C3%A9%20notes.gmi"];',
    "gone-all": 'gone = ["*"];',
    "gone-none": "gone = [];",
    "gone-many": "gone = [" + ", ".join(
        f'"/n{i}.gmi"' for i in range(400)) + ', "/gone.gmi"];',
    "gone-class": 'gone = ["/[!a-f]one.gmi", "/[]x]y", "/[^p].gmi"];',
    "gone-class-open": 'gone = ["/[gone.gmi"];',
    "gone-escaped": 'gone = ["/gone\\\\.gmi", "/a\\\\*"];',
    "gone-stars": 'gone = ["/**/s.gmi", "/***"];',
    "gone-long": 'gone = ["/' + "a" * 900 + '"];',
    "gone-long-prefix": 'gone = ["/' + "a" * 300 + '*"];',
    "gone-long-glob": 'gone = ["/*' + "a" * 300 + '"];',
    "title-long": 'title = "' + "a" * 5000 + '";',
    "charset-odd": 'charset = "x-user_defined";',
    "feed": 'feed = "p.gmi";',
    "feed-missing": 'feed = "updates.gmi";',
    "feed-below": 'feed = "sub/s.gmi";',
    "copy": 'copy = "red.txt";',
    "order": 'order = ["index.gmi", "sub/s.gmi"];',
    "order-missing": 'order = ["none.gmi"];',
    "order-many": "order = [" + ", ".join(
        f'"n{i}.gmi"' for i in range(400)) + "];",
    "paths": 'paths = ( { glob = "/az/*"; lang = "az"; },'
             ' { glob = "/sub/*"; listing = true; },'
             ' { glob = "*.log"; type = "text/plain"; charset = ""; } );',
    "paths-order": 'paths = ( { glob = "/az/*"; charset = "utf-8"; },'
                   ' { glob = "/a*"; lang = "ru"; charset = "koi8-r"; },'
                   ' { glob = "*"; lang = "en"; } ); lang = "fr";',
    "paths-empty": 'lang = "en"; charset = "utf-8"; paths = ('
                   ' { glob = "/sub/*"; lang = ""; charset = ""; } );',
    "paths-type": 'paths = ( { glob = "/noext"; type = "text/gemini"; },'
                  ' { glob = "/*.xyz"; type = "application/x-y; z=1"; },'
                  ' { glob = "/a.txt"; type = ""; } );',
    "paths-question": 'paths = ( { glob = "/?.gmi"; lang = "az"; },'
                      ' { glob = "/[ax].*"; charset = "latin1"; } );',
    "paths-listing-off": 'listing = true; paths = ('
                         ' { glob = "/deep/*"; listing = false; } );',
    "paths-glob-alone": 'paths = ( { glob = "/az/*"; } );',
    "paths-no-slash": 'paths = ( { glob = "az/*"; lang = "az"; } );',
    "paths-type-whole": 'lang = "en"; paths = ( { glob = "/a.txt"; type ='
                        ' "text/gemini; lang=xx"; } );',
    "paths-many": "paths = (" + ", ".join(
        f'{{ glob = "/n{i}/*"; lang = "en"; }}' for i in range(300))
        + ', { glob = "/sub/*"; lang = "az"; } );',
    "redirects": 'redirects = ( { from = "/old.gmi"; to = "/p.gmi";'
                 ' permanent = true; },'
                 ' { from = "/old/*"; to = "/sub/"; },'
                 ' { from = "/1990/*"; to = "/january/*"; } );',
    "redirects-url": 'redirects = ( { from = "/old.gmi"; to ='
                     ' "gemini://other.example/x?y#z"; },'
                     ' { from = "/old/*"; to = "gemini://other.example/*"; },'
                     ' { from = "/1990/*"; to = "https://example.org/"; } );',
    "redirects-other": 'redirects = ( { from = "/old.gmi"; to ='
                       ' "gopher://x.example/1/"; }, { from = "/x"; to ='
                       ' "mailto:a@b.example"; } );',
    "redirects-scheme-relative": 'redirects = ( { from = "/old.gmi"; to ='
                                 ' "//other.example/"; } );',
    "redirects-relative": 'redirects = ( { from = "/old.gmi"; to ='
                          ' "p.gmi"; } );',
    "redirects-user": 'redirects = ( { from = "/old.gmi"; to ='
                      ' "gemini://u@other.example/"; } );',
    "redirects-no-host": 'redirects = ( { from = "/old.gmi"; to ='
                         ' "gemini:///x"; } );',
    "redirects-no-host-2": 'redirects = ( { from = "/old.gmi"; to ='
                           ' "https:///x"; } );',
    "redirects-no-slashes": 'redirects = ( { from = "/old.gmi"; to ='
                            ' "gemini:x"; } );',
    "redirects-web-user": 'redirects = ( { from = "/old.gmi"; to ='
                          ' "https://u@h.example/"; } );',
    "redirects-fragment": 'redirects = ( { from = "/old.gmi"; to ='
                          ' "/p.gmi#x"; } );',
    "redirects-host-only": 'redirects = ( { from = "/old.gmi"; to ='
                           ' "gemini://o.example"; }, { from = "/old/*"; to ='
                           ' "gemini://o.example"; } );',
    "redirects-port": 'redirects = ( { from = "/old/*"; to ='
                      ' "gemini://o.example:1966/*"; }, { from = "/1990/*";'
                      ' to = "gemini://[::1]/"; } );',
    "redirects-dots": 'redirects = ( { from = "/old/*"; to ='
                      ' "/sub/../p.gmi"; } );',
    "redirects-malformed": 'redirects = ( { from = "/old.gmi"; to ='
                           ' "/%zz"; } );',
    "redirects-long": 'redirects = ( { from = "/old.gmi"; to = "/'
                      + "a" * 900 + '"; } );',
    "redirects-star-host": 'redirects = ( { from = "/old/*"; to ='
                           ' "gemini://other.example*"; } );',
    "redirects-star-only": 'redirects = ( { from = "/old/*"; to = "/*"; } );',
    "redirects-query": 'redirects = ( { from = "/old.gmi"; to ='
                       ' "/p.gmi?a=b"; } );',
    "redirects-encoded": 'redirects = ( { from = "/old.gmi"; to ='
                         ' "/Caf%C3%A9%20notes.gmi"; } );',
    "redirects-decoded-from": 'redirects = ( { from = "/Café notes.gmi";'
                              ' to = "/p.gmi"; } );',
    "redirects-space": 'redirects = ( { from = "/old.gmi"; to ='
                       ' "/a b.gmi"; } );',
    "redirects-unicode": 'redirects = ( { from = "/old.gmi"; to ='
                         ' "/Café.gmi"; } );',
    "redirects-chain": "redirects = (" + ", ".join(
        f'{{ from = "/c{i}"; to = "/c{i + 1}"; }}' for i in range(5))
        + ', { from = "/old.gmi"; to = "/c1"; } );',
    "redirects-root": 'redirects = ( { from = "/"; to = "/p.gmi"; } );',
    "redirects-all": 'redirects = ( { from = "/*"; to ='
                     ' "gemini://new.example/*"; } );',
    "redirects-nearest": 'redirects = ( { from = "/old/a*"; to = "/p.gmi"; },'
                         ' { from = "/old/*"; to = "/sub/"; } );',
    "redirects-before-file": 'redirects = ( { from = "/a.txt"; to ='
                             ' "/p.gmi"; } ); gone = ["/a.txt"];',
    "redirects-many": "redirects = (" + ", ".join(
        f'{{ from = "/n{i}"; to = "/p.gmi"; }}' for i in range(400))
        + ', { from = "/old.gmi"; to = "/p.gmi"; } );',
    "redirects-none": "redirects = ( );",
    "redirects-twice": 'redirects = ( { from = "/old.gmi"; to = "/p.gmi"; },'
                       ' { from = "/old.gmi"; to = "/a.txt"; } );',
    "everything": 'title = "T"; lang = "en"; charset = "utf-8";'
                  ' index = ["start.gmi"]; listing = true; gone = ["/x.log"];'
                  ' feed = "p.gmi"; copy = "all.txt"; order = ["p.gmi"];'
                  ' paths = ( { glob = "/az/*"; lang = "az"; } );'
                  ' redirects = ( { from = "/old.gmi"; to = "/p.gmi"; } );',
}

# Words of `check` and, with -n, of serve, besides --certs.
LINES = {
    "dir": ["root"],
    "dir-slash": ["root/"],
    "host": ["--host", "a.example", "root"],
    "hosts": ["--host", "a.example", "--host=b.example", "root"],
    "listen": ["--host", "a.example", "--listen", "127.0.0.1:1965",
               "--listen", "[::1]:1", "root"],
    "listen-no-port": ["--host", "a", "--listen", "127.0.0.1", "root"],
    "listen-no-port-6": ["--host", "a", "--listen", "::1", "root"],
    "listen-brackets": ["--host", "a", "--listen", "[::1]", "root"],
    "listen-star": ["--host", "a", "--listen", "*:1", "root"],
    "listen-unix": ["--host", "a", "--listen", "unix:x.sock", "root"],
    "listen-0": ["--host", "a", "--listen", "127.0.0.1:0", "root"],
    "workers": ["--host", "a", "--workers", "3", "root"],
    "workers-joined": ["--host", "a", "--workers=64", "root"],
    "workers-0": ["--host", "a", "--workers", "0", "root"],
    "log": ["--host", "a", "--log", "access.log", "root"],
    "log-none": ["--host", "a", "--log", "none", "root"],
    "log-stderr": ["--host", "a", "--log", "-", "root"],
    "log-joined": ["--host", "a", "--log=-", "root"],
    "cert-and-key": ["--host", "localhost", "--cert", "certs/localhost.crt",
                     "--key", "certs/localhost.key", "root"],
    "config": ["-c", "carnation.conf"],
    "config-long": ["--config", "carnation.conf"],
    "config-joined": ["--config=carnation.conf"],
    "config-and-log": ["-c", "carnation.conf", "--log", "access.log"],
    "config-and-listen": ["-c", "carnation.conf", "--listen", "127.0.0.1:7"],
    "config-and-workers": ["-c", "carnation.conf", "--workers", "5"],
    "config-and-host": ["-c", "carnation.conf", "--host", "b.example"],
    "config-and-dir": ["-c", "empty.conf", "root"],
    "config-and-host-and-dir": ["-c", "empty.conf", "--host", "b", "root"],
    "options-last": ["root", "--host", "a.example"],
    "dashes": ["--host", "a", "--", "root"],
}
FILES = {
    "more.conf": "public_port = 7;\n", "plain.conf": "public_port = 7;",
    "limits.conf": "rate = 3;\nburst = 4;\n", "empty.conf": "",
    "sub/first.conf": '@include "second.conf"\nworkers = 2;\n',
    "sub/second.conf": 'log = { access = "access.log"; };\n',
    "a b.conf": "public_port = 9;\n",
    **{f"n{i}.conf": f'@include "n{i + 1}.conf"\n' for i in range(1, 9)},
    "n9.conf": "public_port = 9;\n",
}


TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE


def write(place, files):
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogateescape"))


class Machine:
    """A program, and a directory where it finds what a configuration names."""

    def __init__(self, program, place):
        self.program, self.place = program, place
        place.chmod(0o755)
        write(place, {f"root/{n}": t for n, t in PAGES.items()})
        write(place, FILES)
        for name in ("s", "logs", "certs"):
            (place / name).mkdir()
        (place / "link").symlink_to("root")
        (place / "log-link").symlink_to("other.log")
        self.certs = ["--certs", place / "certs"]
        self.run("cert", "new", *self.certs, "localhost")

    def run(self, *words):
        return subprocess.run(
            [self.program, *map(str, words)], cwd=self.place,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="surrogateescape", timeout=60)

    def check(self, *words):
        """The dump of what is accepted, without this place; else None."""
        verb = ["check"]
        if words[-1] == "-n":
            verb, words = ["serve", "-n"], words[:-1]
        done = self.run(*verb, *self.certs, *words)
        self.said = done.stdout + done.stderr
        if done.returncode != 0:
            return None
        done = self.run(*verb, "--dump", *self.certs, *words)
        return done.stdout.replace(str(self.place), "@")

    def configure(self, text, name="carnation.conf"):
        write(self.place, {name: text.replace("@/", f"{self.place}/")})
        return self.place / name

    def conf(self, text):
        return self.check("-c", self.configure(
            text if "capsules" in text else text + "\n" + ONE))

    def content(self, text):
        """In the operator's file."""
        return self.check("-c", self.configure(
            f'capsules = ( {{ host = "localhost"; root = "root"; {text} }} );'))

    def line(self, words):
        self.configure(ONE)
        dump = self.check(*words)
        return dump and re.sub(  # this machine's own name
            r"^(\s*)aliases = .*;$", r"\1aliases = [...];", dump, flags=re.M)

    def capsule_is_good(self, text):
        """In capsule.conf."""
        write(self.place, {"root/capsule.conf": text})
        good = self.check("-c", self.configure(ONE)) is not None
        (self.place / "root/capsule.conf").unlink()
        return good

    def answers(self, texts):
        """What is answered to each of ASKED, by name of a text of a
        capsule.conf: header, and the size of a body."""
        names = {name: f"c{i}.example" for i, name in enumerate(texts)}
        capsules = []
        for name, host in names.items():
            write(self.place, {f"{host}/{n}": t for n, t in PAGES.items()})
            write(self.place, {f"{host}/capsule.conf": texts[name]})
            capsules.append(f'{{ host = "{host}"; root = "{host}"; }}')
        self.configure(
            'listen = ["unix:sock"]; workers = 1; log = { access = "none"; };\n'
            "limits = { rate = 0; burst = 0; };\n"
            "capsules = ( " + ",\n".join(capsules) + " );\n")
        assert self.check("-c", "carnation.conf") is not None, self.said
        with open(self.place / "stderr", "wb") as log:
            server = subprocess.Popen(
                [self.program, "serve", "-c", "carnation.conf", *self.certs],
                cwd=self.place, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)
        try:
            self.wait_ready(server)
            return {name: {path: self.ask(host, path) for path in ASKED}
                    for name, host in names.items()}
        finally:
            server.terminate()
            server.wait()

    def wait_ready(self, server):
        until = time.monotonic() + 60
        while "ready" not in (text := (self.place / "stderr").read_text()):
            assert server.poll() is None and time.monotonic() < until, text
            time.sleep(0.02)

    def ask(self, host, path):
        got = b""
        with socket.socket(socket.AF_UNIX) as plain:
            plain.settimeout(30)
            plain.connect(str(self.place / "sock"))
            with TLS.wrap_socket(plain, server_hostname=host) as s:
                s.sendall(f"gemini://{host}{path}\r\n".encode())
                while piece := s.recv(1 << 16):
                    got += piece
        head, _, body = got.decode(errors="surrogateescape").partition("\r\n")
        head = head.replace(host, "HOST")
        return f"{head} ({len(body)})" if head[:1] == "2" else head


def flat(dump):
    """A dump as {"limits.rate": "10", "capsules.0.host": ...}."""
    values, stack = {}, []
    for line in dump.splitlines():
        line = line.strip().rstrip(",;")
        prefix = ".".join(map(str, (x for x in stack if x is not None)))
        if line.endswith("= {"):
            stack.append(line.split()[0])
        elif line.endswith("= ("):
            stack += [line.split()[0], -1]
        elif line == "{":
            stack[-1] += 1
            stack.append(None)
        elif line == "}":
            stack.pop()
        elif line == ")":
            del stack[-2:]
        else:
            name, _, value = line.partition(" = ")
            values[f"{prefix}.{name}" if prefix else name] = value
    assert not stack, dump
    return shown(values)


def digest(text):
    return "SHA-256 " + hashlib.sha256(text.encode(
        "utf-8", "surrogateescape")).hexdigest()


def shown(values):
    """Long values, and all groups of a list but the first ones, as a hash."""
    short, rest = {}, {}
    for key, value in values.items():
        if re.search(r"\.(\d\d+|[5-9])\.", key):
            name = re.sub(r"\.(\d\d+|[5-9])\..*", ".more", key)
            rest.setdefault(name, []).append(f"{key} = {value}")
        else:
            short[key] = value if len(value) <= 200 else digest(value)
    return {**short, **{n: digest("\n".join(r)) for n, r in rest.items()}}


def gather(program, place):
    """All that a program makes of what is above; only what it accepts."""
    m = Machine(program, Path(place))
    good = {name: text for name, text in CONTENTS.items()
            if m.capsule_is_good(text)}
    results = {
        "confs": {n: m.conf(t) for n, t in CONFS.items()},
        "contents": {n: m.content(t) for n, t in CONTENTS.items()},
        "lines": {n: m.line(w) for n, w in LINES.items()},
    }
    for n, words in LINES.items():  # serve -n is the same
        assert m.line([*words, "-n"]) == results["lines"][n], n
    results = {kind: {n: flat(r) for n, r in rows.items() if r is not None}
               for kind, rows in results.items()}
    return dict(results, capsules=m.answers(good))


def difference(one, base):
    """What one has otherwise; None: it has not."""
    return {k: one.get(k) for k in sorted({*one, *base})
            if one.get(k) != base.get(k)}


def apply(base, changes):
    return {k: v for k, v in {**base, **changes}.items() if v is not None}


def shorten(results):
    """Each row as its difference from the plainest."""
    least, plain = results["confs"]["least"], results["capsules"]["nothing"]
    short = {"least": least, "plain": plain}
    for kind, rows in results.items():
        base = plain if kind == "capsules" else least
        short[kind] = {n: difference(r, base) for n, r in rows.items()}
    return short


def recorded():
    short = json.loads(RESULTS.read_text())
    least, plain = short.pop("least"), short.pop("plain")
    return {kind: {n: apply(plain if kind == "capsules" else least, r)
                   for n, r in rows.items()} for kind, rows in short.items()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        found = gather(Path(sys.argv[1]).resolve(), directory)
    RESULTS.write_text(json.dumps(shorten(found), indent=1) + "\n")
    assert recorded() == found
