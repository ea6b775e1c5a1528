/* SPDX-License-Identifier: ISC */
#include "conf/unknown.h"

#include <stdio.h>
#include <string.h>

/* Names that other servers have, in lower case, without '-' and '_'. */
struct foreign {
	const char *words;  /* each with a blank before and after it */
	const char *option; /* ours; NULL: there is none */
	const char *note;   /* NULL: none */
};

static const struct foreign foreign[] = {
	{ " port ports addr address addresses bind bindaddress interface "
	  "interfaces ip ipv4 ipv6 socket listenaddress "
	  "listenaddr ",
	    "listen", "(listen = [\"*:1965\"])" },
	{ " unixsocket ", "listen", "(listen = [\"unix:FILE\"])" },
	{ " publicport externalport skipportcheck ", "public_port", NULL },
	{ " server servers site sites virtualhost virtualhosts vhosts hosts ",
	    "capsules", NULL },
	{ " hostname hostnames servername servernames domain domains vhost "
	  "fqdn ",
	    "capsules.host", NULL },
	{ " alias serveralias ", "capsules.aliases", NULL },
	{ " cert certfile certpath certificatefile certificatepath certchain "
	  "fullchain tlscert tlscertfile sslcertificate "
	  "sslcert ",
	    "capsules.certificate", NULL },
	{ " keyfile keypath privatekey tlskey tlskeyfile sslcertificatekey "
	  "sslkey ",
	    "capsules.key", NULL },
	{ " docroot documentroot docbase rootdir content contentdir dir "
	  "contentdirectory directory path base basedir webroot htdocs static ",
	    "capsules.root", NULL },
	{ " hiddenfiles servesecret dotfiles showhidden ", "capsules.hidden",
	    NULL },
	{ " indexfile indexfiles indexname indices indexes defaultindices "
	  "directoryindex entrypoint ",
	    "index", NULL },
	{ " autoindex directorylisting directorylistings dirlisting dirlist "
	  "enabledirectorylisting listings browse ",
	    "listing", NULL },
	{ " defaultlang defaultlanguage language languages ", "lang", NULL },
	{ " defaultencoding encoding defaultcharset ", "charset", NULL },
	{ " location locations ", "paths", NULL },
	{ " redirect tempredirects permredirects rewrite rewrites return ",
	    "redirects", NULL },
	{ " mime mimes mimetypes mediatypes mimeoverride mimeoverrides "
	  "contenttypes "
	  "defaulttype geminiext ",
	    "types", NULL },
	{ " accesslog logfile logpath logging logs errorlog errorlogfile "
	  "syslog file ",
	    "log.access", NULL },
	{ " logip iplog logips hashclientips ", "log.addresses", NULL },
	{ " prefork threads processes workerprocesses ", "workers", NULL },
	{ " username unprivusername runas setuid ", "user", NULL },
	{ " maxconnections maxconns maxclients ", "limits.connections", NULL },
	{ " ratelimit ratelimiting ratelimitenable ratelimitaverage ",
	    "limits.rate", NULL },
	{ " timeout timeouts requesttimeout readtimeout ", "limits.request",
	    NULL },
	{ " responsetimeout writetimeout ", "limits.stall", NULL },
	{ " handshaketimeout ", "limits.handshake", NULL },
	{ " ssl ", "tls", NULL },
	{ " protocols tlsversion tlsversions minversion mintls mintlsversion "
	  "tlsminimum allowtls12 onlytls13 ",
	    "tls.minimum", NULL },
	{ " ciphers ciphersuites tlsciphers ", "tls.suites", NULL },

	{ " certs certdir certsdir certstore certificates certificatedir "
	  "store ",
	    NULL, "\"carnation serve --certs DIR\" names the directory" },
	{ " certlifetime organization regencerts gencerts ed25519 ecdsa ", NULL,
	    "\"carnation serve\" makes certificates, \"carnation cert\" renews "
	    "them" },
	{ " include includes ", NULL, "write @include \"FILE\"" },
	{ " readmollyfiles centralconf meta metafile ", NULL,
	    "each capsule's root may have a capsule.conf" },
	{ " cgi cgidir cgipath cgipaths cgibin scgi scgipaths fastcgi fcgi "
	  "fastcgipaths php scripts ",
	    NULL, "carnation runs no programs" },
	{ " proxy proxyall proxypass relayto reverseproxy upstream backend ",
	    NULL, "carnation forwards no requests" },
	{ " proxyprotocol proxyv1 proxyv2 ", NULL,
	    "carnation does not speak the PROXY protocol" },
	{ " certificatezones certificatezone clientcert clientcerts clientca "
	  "require auth authentication tlscafile tlscapath ",
	    NULL, "carnation asks for no client certificates" },
	{ " titan upload uploads ", NULL, "carnation accepts no uploads" },
	{ " chroot chrootdir sandbox ", NULL,
	    "paths are opened beneath their root only" },
	{ " loglevel debug verbose ", NULL, "the log has one level" },
	{ " daemon daemonize pidfile background ", NULL,
	    "carnation stays in the foreground" },
	{ " ocsp stapling ", NULL, "carnation staples no OCSP responses" },
	{ " userdir userdirs usrdir homedocbase ", NULL,
	    "write a group of \"capsules\" for each" },
	{ " directorysort directorysubdirsfirst directoryreverse "
	  "directorytitles ",
	    NULL, "listings have one order" },
};

/* " name ", in lower case without '-' and '_', in out; "" when too long. */
static void
name_fold(const char *name, char out[OPTION_NAME_MAX])
{
	size_t n = 0;

	out[n++] = ' ';
	for (; *name != '\0' && n < OPTION_NAME_MAX - 2; name++) {
		char c = *name;

		if (c != '-' && c != '_')
			out[n++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
	out[n++] = ' ';
	out[*name == '\0' ? n : 0] = '\0';
}

static const struct foreign *
foreign_find(const char *name)
{
	char folded[OPTION_NAME_MAX];

	name_fold(name, folded);
	if (folded[0] == '\0')
		return NULL;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (strstr(foreign[i].words, folded) != NULL)
			return &foreign[i];
	return NULL;
}

/* An option of that name, in letters of any case, perhaps elsewhere. */
static const struct option *
option_elsewhere(const char *name)
{
	size_t n;
	const struct option *all = options_all(&n);

	for (size_t i = 0; i < n; i++)
		if (slice_equal_nocase(
			slice_str(option_word(&all[i])), slice_str(name)))
			return &all[i];
	return NULL;
}

/* Whether o may be written in the group of prefix in a file of place. */
static bool
option_fits(const struct option *o, const char *prefix, unsigned place)
{
	size_t n = (size_t)(option_word(o) - o->name);

	if ((o->places & place) == 0)
		return n == 0 && strcmp(prefix, "capsules.") == 0;
	return strlen(prefix) == n && strncmp(o->name, prefix, n) == 0;
}

static void
explain_option(
    const struct option *o, const char *prefix, unsigned place, struct buf *out)
{
	bool content = (o->places & OPTION_CAPSULE) != 0;

	if (option_fits(o, prefix, place)) {
		buf_printf(out, "; did you mean \"%s\"?", option_word(o));
		return;
	}
	buf_printf(out, "; use \"%s%s\"",
	    content && place == OPTION_OPERATOR ? "capsules." : "", o->name);
	if (place == OPTION_CAPSULE && !content)
		buf_str(out, " in carnation.conf");
	else if (strchr(o->name, '.') == NULL && prefix[0] != '\0')
		buf_printf(out, " outside of \"%.*s\"", (int)strlen(prefix) - 1,
		    prefix);
}

/* The option that a name stands for that no other server has; NULL: none is
 * near. */
static const struct option *
option_meant(const char *prefix, unsigned place, const char *name)
{
	const struct option *o = option_elsewhere(name);
	char full[2 * OPTION_NAME_MAX];
	int n = snprintf(full, sizeof(full), "%s%s", prefix, name);
	const char *near = NULL;

	if (o == NULL && n > 0 && (size_t)n < sizeof(full))
		near = option_nearest(full, place);
	return near == NULL ? o : option_find(near);
}

void
unknown_explain(
    const char *prefix, unsigned place, const char *name, struct buf *out)
{
	const struct foreign *known = foreign_find(name);
	const struct option *ours = NULL;

	if (known == NULL)
		ours = option_meant(prefix, place, name);
	else if (known->option != NULL)
		ours = option_find(known->option);
	if (ours != NULL)
		explain_option(ours, prefix, place, out);
	else if (known != NULL)
		buf_str(out, "; there is none:");
	if (known != NULL && known->note != NULL)
		buf_printf(out, " %s", known->note);
}
