/* SPDX-License-Identifier: ISC */
#include "support/conf.h"

const char conf_file[] = "carnation.conf";
char conf_directory[PATH_MAX];

const char conf_full[] =
    "listen = [\"127.0.0.1:1965\", \"unix:run/x.sock\"];\n"
    "public_port = 1966; workers = 0x2; user = \"u\"; group = \"g\";\n"
    "limits : { connections = 1; per_address = 2; rate = 3; burst = 4L;\n"
    "  exempt = (\"10.0.0.0/8\", \"fe80::/10\", \"::1\");\n"
    "  handshake = 5; request = 6; stall = 7; drain = 0; };\n"
    "tls = { minimum = \"1.3\"; suites = \"A:B\"; tickets = false; };\n"
    "log = { access = \"a.log\"; format = \"json\"; addresses = \"full\";\n"
    "  query = TRUE; handshakes = true; };\n"
    "types = ( { extension = \"foo\"; type = \"text/x-foo\"; },\n"
    "  { extension = \".BAR\"; type = \"text/plain; format=flowed\"; } );\n"
    "capsules = (\n"
    "{ host = \"example.org\"; aliases = [\"www.example.org\"];\n"
    "  root = \"caps\"; certificate = \"/c.crt\"; key = \"k.key\";\n"
    "  hidden = [\".config\"]; title = \"T\"; lang = \"az,en-GB\";\n"
    "  charset = \"utf-8\"; index = [\"i.gmi\"]; listing = true;\n"
    "  paths = ( { glob = \"/az/*\"; lang = \"az\"; charset = \"\";\n"
    "    type = \"text/x-az\"; listing = false; } );\n"
    "  redirects = ( { from = \"/o/*\"; to = \"/n/*\"; permanent = true; },\n"
    "    { from = \"/x\"; to = \"gemini://h/\"; } );\n"
    "  gone = [\"/g\"]; feed = \"u.gmi\"; order = [\"a.gmi\", \"b/c.gmi\"];\n"
    "},\n"
    "{ host = \"b.example\"; root = \"/b\"; aliases = []; } );\n";

int
conf_set_up(void **state)
{
	if (tree_set_up(state) != 0 || chdir(tree_path("")) == -1 ||
	    getcwd(conf_directory, sizeof(conf_directory)) == NULL)
		return -1;
	return mkdir("parts", 0700);
}

int
conf_tear_down(void **state)
{
	return chdir("/") == 0 ? tree_tear_down(state) : -1;
}

struct conf *
conf_parse_text(const char *text, struct report *r)
{
	struct conf *c = conf_new();
	size_t before = r->errors;
	bool good;

	assert_non_null(c);
	tree_write(conf_file, text);
	good = conf_read(c, conf_file, r);
	assert_int_equal(good, r->errors == before);
	return c;
}
