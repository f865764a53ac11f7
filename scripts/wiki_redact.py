"""Secrets never reach the disk: `redact(text)` puts `[REDACTED:<rule>]` where a credential stood.

A curated table of rules (vendor prefixes, PEM blocks, JWTs, URL userinfo, auth headers, assignments) behind a gate.
There is no entropy rule: in a transcript everything is random-looking (digests, ids, base64), and a wiki full of
holes is worse than none. Pure: no disk, no clock, standard library only.

How it is fast: nearly all text is clean, so the work is to say so cheaply. The *gate* is a list of rare characters
(the `_` of a prefix, the `z` of authorization, the `k` of token), each with what must follow it. It is loose, it only
has to hit wherever a rule could; a text that it does not hit is returned as the very same object. A text that it hits
meets those rules of the table that have one of their literals near a hit.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate
from types import MappingProxyType

REDACTOR_VERSION = 3     # `redactor:` in a transcript; raised with every change of a rule, so that old files are read again

SHORTEST = 12            # no rule matches fewer characters
NONE: Mapping[str, int] = MappingProxyType({})


# ---- judging a value that only its name makes a secret --------------------------------------------------------------

PLACEHOLDER_WORDS = frozenset("""
    access add admin api apikey app auth authorization base64 basic bearer bot change changeit changeme client code
    credential credentials default demo dev dummy enter env example fake fixme foo foobar from generate generated
    guest hash header here hidden id insert is jwt key local masked me mock my name new none null of oauth omitted pass
    passphrase password passwd personal placeholder postgres private prod public put pwd random real redacted removed
    replace required root sample secret secrets service session set some something string super supersecret test
    testing text the this to todo token type undefined unset user username val value variable via with xxx yes you
    your yours
""".split())
WORDS = re.compile(r"[a-z]+", re.I)
NOT_A_LITERAL = re.compile(
    r"""<|\$[A-Za-z_({]|\{|%[A-Za-z({]|\*{2}|\.{1,2}/|~?/|[a-z]:[\\/]|https?:|file:|env[.:(]|process\.|os\.|secrets?\.|vault:|op://|ref[+:]"""
    r"""|data:|sha\d+[:-]|arn:|\[|['"`]""", re.I)
ELIDED = re.compile(r"x{4,}|\*{3,}|\.{3}|…|•|\$\{|\{\{|REDACTED|%[sdv]\b|<[\w -]+>|(.)\1{7}", re.I)
DOTTED_NAME = re.compile(r"[A-Za-z_][\w-]*(?:(?:\.|->|::)[A-Za-z_]\w*)+")
SYMBOL_INSIDE = re.compile(r"\w[!@#$%^&*+=~]+\w")
IDENTIFIER = re.compile(r"(?:[A-Za-z]+[._:/-]+)*[A-Za-z]*\d{0,2}")


def is_placeholder(value: str) -> bool:
    """True where a value stands for a secret instead of being one: `<token>`, `${TOKEN}`, `your-key-here`, `xxxx`."""
    if NOT_A_LITERAL.match(value) or ELIDED.search(value):
        return True
    words = WORDS.findall(value)
    digits = sum(map(str.isdigit, value))
    return bool(words) and digits <= 4 and all(w.lower() in PLACEHOLDER_WORDS for w in words)


def looks_secret(match: re.Match[str]) -> bool:
    """Judge `name = value`: an upper-case name set as a shell sets it may hold any literal, all else needs a digit."""
    value, name = match["value"], match["name"]
    if is_placeholder(value):
        return False
    if value.isdigit():
        return not name.lower().endswith(("token", "key"))       # max_token: 100000000 is a count
    as_in_a_shell = name.isupper() and "=" in match["sign"] and not match["sign"].strip("=")
    if as_in_a_shell:
        return not DOTTED_NAME.fullmatch(value)
    if IDENTIFIER.fullmatch(value):
        return bool(match["quote"]) and len(value) >= 20 and value.isalnum() and not is_camel(value)
    if match["quote"]:
        return any(map(str.isdigit, value)) or SYMBOL_INSIDE.search(value) is not None
    return any(map(str.isdigit, value)) and any(map(str.isalpha, value)) and not DOTTED_NAME.fullmatch(value)


def is_camel(value: str) -> bool:
    return re.fullmatch(r"[A-Z]?[a-z]+(?:[A-Z][a-z]+)*", value) is not None


def is_credential(match: re.Match[str]) -> bool:
    """Judge what follows `Bearer`, `user:` in a URL, `--token`: not a placeholder, and no plain word of prose."""
    value = match["value"]
    return not is_placeholder(value) and not (value.isalpha() and (value.islower() or is_camel(value)))


def is_password(match: re.Match[str]) -> bool:
    return not is_placeholder(match["value"])


# ---- the table ------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Rule:
    """One kind of secret.

    name      kebab-case, as it stands in the placeholder
    gate      the pattern is tried only where one of these literals occurs
    pattern   what is found; compiled when it is first needed, because compiling all takes longer than most scripts
    group     the part of it that is replaced (0: all of it)
    judge     optional: has the last word on a match
    """
    name: str
    gate: tuple[str, ...]
    pattern: str
    group: int | str = 0
    judge: Callable[[re.Match[str]], bool] | None = None


# What a terminal is told between words: set a colour, clear a line. Raw, as it stands in a file (wiki_text.verbatim), or escaped.
COLOUR = r"(?:(?:[\x1b\u241b]|\\{1,2}(?:u001[bB]|x1[bB]|033|e))\[[0-9;]{0,12}[mK])"
# A token starts where a word starts; what an escape (\n, %3D, a colour) leaves in front of it is not part of the word.
START = re.compile(r"(?<![A-Za-z0-9_])|(?<=\\[nrtbf])|(?<=%[0-9A-Fa-f]{2})|(?<=%25[0-9A-Fa-f]{2})|(?<=\\u00[0-9a-fA-F]{2})"
                   r"|(?<=\[[mK])|(?<=[0-9]m)")
END = r"(?![A-Za-z0-9_])"


def starts_a_word(match: re.Match[str]) -> bool:
    # Asked after the match: a pattern that begins with a look behind has no literal to be searched by.
    return START.match(match.string, match.start()) is not None


def token(name: str, prefix: str, pattern: str) -> Rule:
    """A vendor's token, known by its prefix alone."""
    return Rule(name, tuple(prefix.split()), pattern, judge=starts_a_word)


TOKENS = (
    token("aws-key", "AKIA ASIA ABIA ACCA", r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}" + END),
    token("github-pat", "ghp_", r"ghp_[A-Za-z0-9]{30,}"),
    token("github-fine-grained-pat", "github_pat_", r"github_pat_[A-Za-z0-9_]{40,}"),
    token("github-oauth", "gho_", r"gho_[A-Za-z0-9]{30,}"),
    token("github-app", "ghu_ ghs_", r"gh[us]_[A-Za-z0-9]{30,}"),
    token("github-refresh", "ghr_", r"ghr_[A-Za-z0-9]{30,}"),
    token("gitlab-token", "glpat- gldt- glrt- glcbt- glptt- glft- glffct- glsoat- glimt- glagent- gloas-",
          r"gl(?:pat|dt|rt|cbt|ptt|ft|ffct|soat|imt|agent|oas)-(?![a-z_-]{20})[A-Za-z0-9_=.-]{20,}"),
    token("slack-token", "xoxa- xoxb- xoxc- xoxd- xoxe- xoxe. xoxo- xoxp- xoxr- xoxs- xapp-",
          r"(?:xox[abcdeoprs](?:\.xox[bp])?|xapp)-(?=[A-Za-z0-9%-]*[0-9])[A-Za-z0-9%-]{16,}"),
    token("slack-webhook", "hooks.slack.com",
          r"hooks\.slack\.com/(?:services|workflows|triggers)/(?=[A-Za-z0-9/]*[0-9])[A-Za-z0-9/]{20,}"),
    token("stripe-key", "k_live_ k_test_ k_prod_", r"[srp]k_(?:live|test|prod)_[A-Za-z0-9]{16,}"),
    token("stripe-webhook-secret", "whsec_", r"whsec_[A-Za-z0-9+/=]{24,}"),
    token("anthropic-key", "sk-ant-", r"sk-ant-(?:[a-z]{2,8}[0-9]{2}-)?(?![a-z_-]{20})[A-Za-z0-9_-]{20,}"),
    token("openrouter-key", "sk-or-", r"sk-or-(?:v[0-9]-)?[A-Za-z0-9]{32,}"),
    token("langfuse-key", "sk-lf-", r"sk-lf-[0-9a-f-]{36}"),
    token("openai-key", "sk-", r"sk-(?:proj|svcacct|admin|service|None)-(?![a-z_-]{20})[A-Za-z0-9_-]{20,}"
                               r"|sk-(?=[A-Za-z]*[0-9])[A-Za-z0-9]{32,}" + END),
    token("google-api-key", "AIza", r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    token("google-oauth-secret", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    token("google-oauth-token", "ya29.", r"ya29\.[A-Za-z0-9_-]{20,}"),
    token("azure-client-secret", "Q~", r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}"),
    token("azure-storage-key", "AccountKey SharedAccessKey",
          r"(?:Account|SharedAccess)Key(?:\s*=\s*|%3D)(?P<value>[A-Za-z0-9+/%]{40,}={0,2})"),
    token("npm-token", "npm_", r"npm_[A-Za-z0-9]{36}" + END),
    token("pypi-token", "pypi-", r"pypi-(?![a-z-]{20})[A-Za-z0-9_-]{40,}"),
    token("docker-hub-token", "dckr_pat_ dckr_oat_", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    token("digitalocean-token", "dop_v1_ doo_v1_ dor_v1_", r"do[opr]_v1_[a-f0-9]{40,}"),
    token("heroku-key", "HRKU-", r"HRKU-[A-Za-z0-9_-]{30,}"),
    token("sendgrid-key", "SG.", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
    token("mailgun-key", "key-", r"key-[0-9a-f]{32}" + END),
    token("mailchimp-key", "-us", r"[0-9a-f]{32}-us[0-9]{1,2}" + END),
    token("brevo-key", "xkeysib-", r"xkeysib-[0-9a-f]{40,}(?:-[A-Za-z0-9]+)?"),
    token("twilio-key", "SK", r"SK[0-9a-f]{32}" + END),
    token("telegram-bot-token", ":AA", r"(?:bot)?[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"),
    token("discord-bot-token", ".", r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6,7}\.[A-Za-z0-9_-]{27,40}"
                                    r"(?![A-Za-z0-9_-])"),
    token("discord-webhook", "/webhooks/", r"discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/[0-9]{16,20}/"
                                           r"[A-Za-z0-9_-]{40,}"),
    token("shopify-token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    token("square-token", "sq0atp- sq0csp- sq0idp- EAAA", r"(?:sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60})"),
    token("databricks-token", "dapi", r"dapi[0-9a-f]{32}(?:-[0-9])?" + END),
    token("huggingface-token", "hf_ api_org_", r"(?:hf|api_org)_[A-Za-z0-9]{30,}"),
    token("linear-key", "lin_api_ lin_oauth_", r"lin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    token("notion-token", "secret_ ntn_", r"(?:secret|ntn)_[A-Za-z0-9]{40,}"),
    token("figma-token", "figd_ figo_ figu_ figor_ figoh_ figdr_ figur_", r"fig[dour]{1,2}_[A-Za-z0-9_-]{30,}"),
    token("airtable-token", "pat", r"pat[A-Za-z0-9]{14}\.[0-9a-f]{60,}"),
    token("atlassian-token", "ATATT3 ATCTT3", r"AT[AC]TT3[A-Za-z0-9_=-]{40,}"),
    token("vault-token", "hvs. hvb. hvr.", r"hv[sbr]\.(?![a-z_-]{20})[A-Za-z0-9_-]{20,}"),
    token("terraform-token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{40,}"),
    token("grafana-token", "glc_ glsa_ eyJrIjoi", r"gl(?:c|sa)_[A-Za-z0-9+/=_]{30,}|eyJrIjoi[A-Za-z0-9+/]{40,}={0,2}"),
    token("newrelic-key", "NRAK- NRII- NRJS- NRSP-", r"NR(?:AK|II|JS|SP)-[A-Za-z0-9_-]{19,}"),
    token("sentry-token", "sntrys_ sntryu_", r"sntry[su]_[A-Za-z0-9+/=_-]{40,}"),
    token("supabase-key", "sbp_ sb_secret_", r"(?:sbp_(?:oauth_)?(?![a-z_-]{20})[A-Za-z0-9_-]{40,}|sb_secret_[A-Za-z0-9_-]{22,})"),
    token("planetscale-token", "pscale_", r"pscale_(?:pw|tkn|oauth)_[A-Za-z0-9_.=-]{32,}"),
    token("flyio-token", "fo1_ fm1r_ fm1a_ fm2_", r"(?:FlyV1 )?(?:fo1_[A-Za-z0-9_-]{40,}|fm[12][ar]?_[A-Za-z0-9+/=_,-]{40,})"),
    token("cloudflare-ca-key", "v1.0-", r"v1\.0-[0-9a-f]{24}-[0-9a-f]{100,}"),
    token("age-secret-key", "AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}"),
    token("groq-key", "gsk_", r"gsk_[A-Za-z0-9]{40,}"),
    token("xai-key", "xai-", r"xai-[A-Za-z0-9_-]{60,}"),
    token("perplexity-key", "pplx-", r"pplx-[A-Za-z0-9]{40,}"),
    token("replicate-token", "r8_", r"r8_[A-Za-z0-9]{37,40}" + END),
    token("pinecone-key", "pcsk_", r"pcsk_[A-Za-z0-9_]{40,}"),
    token("langsmith-key", "lsv2_", r"lsv2_(?:pt|sk)_[0-9a-fA-F]{32}_[0-9a-fA-F]{10}"),
    token("tavily-key", "tvly-", r"tvly-(?:dev-|prod-)?(?![a-z-]{20})[A-Za-z0-9_-]{20,}"),
    token("firecrawl-key", "fc-", r"fc-[0-9a-f]{32}" + END),
    token("doppler-token", "dp.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
    token("postman-key", "PMAK- PMAT-", r"PMAK-[0-9a-fA-F]{24}-[0-9a-fA-F]{34}|PMAT-[0-9A-Za-z]{26}" + END),
    token("pulumi-token", "pul-", r"pul-[0-9a-f]{40}" + END),
    token("rubygems-key", "rubygems_", r"rubygems_[0-9a-f]{48}"),
    token("netlify-token", "nfp_", r"nfp_[A-Za-z0-9]{30,}"),
    token("vercel-token", "vcp_ vca_ vci_ vck_ vcr_", r"vc[paikr]_(?![a-z_-]{20})[A-Za-z0-9_-]{24,}"),
    token("render-key", "rnd_", r"rnd_[A-Za-z0-9]{28,}"),
    token("circleci-token", "CCIPAT_ CCIPRJ_", r"CCIP(?:AT|RJ)_[A-Za-z0-9]{20,}_[0-9a-z]{40}"),
    token("buildkite-token", "bkua_ bkpat_ bkpt_", r"bk(?:ua|pat|pt)_[0-9A-Za-z_-]{40,}"),
    token("tailscale-key", "tskey-", r"tskey-[a-z]+-(?=[A-Za-z-]*[0-9])[A-Za-z0-9-]{18,}"),
    token("dynatrace-token", "dt0c01. dt0s01. dt0s16.", r"dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    token("jfrog-key", "AKCp", r"AKCp[A-Za-z0-9]{60,}"),
    token("alibaba-key", "LTAI", r"LTAI[A-Za-z0-9]{16,26}" + END),
    token("mapbox-token", "sk.eyJ", r"sk\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"),
    token("openshift-token", "sha256~", r"sha256~[A-Za-z0-9_-]{43}"),
    token("easypost-key", "EZAK EZTK", r"EZ[AT]K[A-Za-z0-9]{54}" + END),
    token("contentful-token", "CFPAT-", r"CFPAT-[A-Za-z0-9_-]{43}"),
    token("prefect-key", "pnu_", r"pnu_[A-Za-z0-9]{36}"),
    token("readme-key", "rdme_", r"rdme_[a-z0-9]{70}"),
    token("sourcegraph-token", "sgp_", r"sgp_(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}"),
    token("shippo-token", "shippo_", r"shippo_(?:live|test)_[a-f0-9]{40}"),
    token("flutterwave-key", "FLWSECK", r"FLWSECK(?:_TEST)?-[A-Za-z0-9]{12,}(?:-X)?"),
    token("cloudflare-token", "cfat_ cfut_ cfk_", r"cf(?:at|ut|k)_[A-Za-z0-9]{40,}"),
    token("gemini-key", "AQ.", r"AQ\.Ab[A-Za-z0-9_-]{40,}"),
    token("bedrock-key", "ABSK bedrock-api-key-", r"ABSK[A-Za-z0-9+/%]{80,}={0,2}|bedrock-api-key-[A-Za-z0-9+/=%]{28,}"),
    token("onepassword-secret", "ops_eyJ A3-", r"ops_eyJ[A-Za-z0-9+/=_-]{60,}"
          r"|A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})(?:-[A-Z0-9]{5}){3}" + END),
    token("aikido-token", "AIK_CI_", r"AIK_CI_[A-Za-z0-9]{20,}"),
    token("cartesia-key", "sk_car_", r"sk_car_(?![a-z_-]{20})[A-Za-z0-9_-]{20,}"),
    token("elevenlabs-key", "sk_", r"sk_[0-9a-f]{48}" + END),
    token("dropbox-token", "sl.", r"sl\.(?:u\.)?(?=[A-Za-z_-]*[0-9])(?![a-z_-]{20})[A-Za-z0-9_-]{100,}"),
    token("apify-token", "apify_api_", r"apify_api_[A-Za-z0-9]{30,}"),
    token("bitbucket-token", "BBDC- ATBB", r"BBDC-[A-Za-z0-9+/@_=-]{30,}|ATBB[A-Za-z0-9_=-]{24,}"),
    token("cerebras-key", "csk-", r"csk-(?=[A-Za-z]*[0-9])[A-Za-z0-9]{40,}"),
    token("clojars-token", "CLOJARS_", r"CLOJARS_[A-Za-z0-9]{50,}"),
    token("cockroach-key", "CCDB1_", r"CCDB1_[A-Za-z0-9]{20,}_[A-Za-z0-9]{30,}"),
    token("astra-token", "AstraCS:", r"AstraCS:[A-Za-z0-9:]{20,}"),
    token("deno-token", "ddp_ ddo_ ddw_", r"dd[pow]_[A-Za-z0-9]{36}" + END),
    token("devin-key", "apk_ cog_", r"apk_(?:user_)?[A-Za-z0-9+/=_-]{80,}|cog_[a-z0-9]{48,}"),
    token("docker-swarm-token", "SWMTKN-1- SWMKEY-1-", r"SWMTKN-1-[a-z0-9]{40,}-[a-z0-9]{20,}|SWMKEY-1-[A-Za-z0-9+/]{40,}"),
    token("elastic-key", "essu_", r"essu_[A-Za-z0-9+/=_-]{40,}"),
    token("cursor-key", "key_", r"key_[0-9a-f]{64}" + END),
    token("hubspot-token", "pat-", r"pat-(?:na|eu|ap)[0-9]-[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    token("harness-token", "pat. sat.", r"[ps]at\.[A-Za-z0-9_-]{20,24}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}" + END),
    token("infracost-key", "ico-", r"ico-(?=[A-Za-z]*[0-9])[A-Za-z0-9]{32}" + END),
    token("llama-cloud-key", "llx-", r"llx-[A-Za-z0-9]{40,}"),
    token("mailersend-token", "mlsn.", r"mlsn\.[A-Za-z0-9]{30,}"),
    token("mergify-key", "mergify_application_key_", r"mergify_application_key_(?![a-z_-]{20})[A-Za-z0-9_-]{40,}"),
    token("minimax-key", "sk-api-", r"sk-api-(?![a-z_-]{20})[A-Za-z0-9_-]{60,}"),
    token("neon-key", "napi_", r"napi_(?=[A-Za-z]*[0-9])[A-Za-z0-9]{50,}"),
    token("nvidia-key", "nvapi-", r"nvapi-(?![a-z_-]{20})[A-Za-z0-9_-]{50,}"),
    token("nylas-key", "nyk_", r"nyk_(?:v[0-9]_)?[A-Za-z0-9]{40,}"),
    token("octopus-key", "API-", r"API-(?=[A-Z]*[0-9])[A-Z0-9]{25,32}" + END),
    token("onesignal-key", "os_v2_app_ os_v2_org_", r"os_v2_(?:app|org)_[a-z0-9]{60,}"),
    token("paddle-key", "apikey_", r"pdl_(?:live|sdbx)_apikey_[a-z0-9]{26}_[A-Za-z0-9]{20,}_[A-Za-z0-9]{3}"),
    token("packagist-token", "packagist_", r"packagist_[a-z]{3}_[0-9a-f]{60,}"),
    token("posthog-key", "phx_", r"phx_[A-Za-z0-9_-]{40,}"),
    token("polar-token", "polar_at_ polar_oat_ polar_pat_", r"polar_(?:at|oat|pat)_(?:u_|o_)?(?![a-z_-]{20})[A-Za-z0-9_-]{20,}"),
    token("resend-key", "e_", r"re_[A-Za-z0-9]{8}_(?=[A-Za-z]*[0-9])[A-Za-z0-9]{24}" + END),
    token("rootly-key", "rootly_", r"rootly_[0-9a-f]{60,}"),
    token("runpod-key", "rpa_", r"rpa_(?=[A-Za-z]*[0-9])[A-Za-z0-9]{30,}"),
    token("samsara-token", "samsara_api_", r"samsara_api_[A-Za-z0-9]{24,}"),
    token("scalingo-token", "tk-us-", r"tk-us-(?![a-z_-]{20})[A-Za-z0-9_-]{48}"),
    token("segment-token", "sgp_", r"sgp_[A-Za-z0-9]{60,}"),
    token("sonar-token", "squ_ sqp_ sqa_", r"sq[upa]_[0-9a-z_=-]{40}" + END),
    token("teams-webhook", "webhook.office.com", r"webhook\.office\.com/webhookb2/[A-Za-z0-9@/-]{60,}"),
    token("together-key", "tgp_v1_", r"tgp_v1_[A-Za-z0-9_-]{40,}"),
    token("typeform-token", "tfp_", r"tfp_(?![a-z_-]{20})[A-Za-z0-9_=.-]{50,}"),
    token("unkey-key", "unkey_", r"unkey_(?=[A-Za-z0-9_]*[0-9])(?![a-z_]{20})[A-Za-z0-9_]{20,}"),
    token("upcloud-token", "ucat_", r"ucat_(?=[A-Za-z]*[0-9])[A-Za-z0-9]{24,}"),
    token("val-town-token", "vtwn_", r"vtwn_(?=[A-Za-z-]*[0-9])[A-Za-z0-9-]{20,}"),
    token("wakatime-key", "waka_", r"waka_(?=[a-z-]*[0-9])[0-9a-z-]{36,}"),
    token("wandb-key", "wandb_v1_", r"wandb_v1_[A-Za-z0-9_]{60,}"),
    token("woocommerce-key", "k_ s_", r"c[ks]_[0-9a-f]{40}" + END),
    token("xendit-key", "xnd_production_ xnd_development_", r"xnd_(?:production|development)_[A-Za-z0-9]{40,}"),
    token("yandex-key", "AQVN", r"AQVN[A-Za-z0-9_-]{35,38}(?![A-Za-z0-9_-])"),
    token("zuplo-key", "zpka_", r"zpka_[a-z0-9]{28,}_[0-9a-f]{8}"),
    token("jwt", "eyJ", r"eyJ[A-Za-z0-9_-]{8,1500}+\.(?:eyJ|[A-Za-z0-9_-])[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{10,}|\.)"
                        r"(?:\.[A-Za-z0-9_-]+){0,2}"),
)

PEM_WORD = r"(?:[ +]|%20)"
PEM_LABEL = rf"(?P<label>(?:[A-Z0-9]+{PEM_WORD}){{0,3}}PRIVATE{PEM_WORD}KEY(?:{PEM_WORD}BLOCK)?)"
# What may stand between two lines of a block: line ends, real or escaped, indents, quotes, marks of a diff, line numbers.
PEM_BREAK = r"(?:\s|\\{1,2}[nrt]|%0[AaDd]|%20|[\"'`,+>|#*]|-(?!--)|[0-9]{1,5}[\t→:|])"
PEM = Rule(
    "pem-private-key", ("BEGIN",),
    (
        rf"-----BEGIN{PEM_WORD}{PEM_LABEL}-----(?:"
        # whole: anything up to the END line, if a line of base64 is in it
        r"(?=[^-]*(?:-(?!----)[^-]*)*?[A-Za-z0-9+/]{16})[^-]*(?:-(?!----)[^-]*){0,4000}-{5,6}END[^-\n]{0,60}-----"
        # cut off: header lines and base64 lines, as far as they go
        rf"|(?:{PEM_BREAK}{{0,20}}(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash): ?[^\n\\]*|[A-Za-z0-9+/]{{16,}}={{0,2}}))+"
        rf"(?:{PEM_BREAK}{{1,20}}[A-Za-z0-9+/]{{1,15}}={{0,2}}(?=\s|\\|[\"'`]|\Z))?)"))

PUTTY = Rule("putty-private-key", ("Private-Lines:",),
             (r"Private-Lines: ?[0-9]+(?:\s+[+-]?[A-Za-z0-9+/=]{16,})+"))

URL_PASSWORD = Rule(
    "url-password", ("://",),
    (r"(?<=[A-Za-z0-9])://[^\s/:@\"'`<>\\?#]{0,100}:(?P<value>[^\s/@\"'`<>\\]{4,256})@(?=[A-Za-z0-9\[.$_-])"),
    "value", is_password)
SENTRY_DSN = Rule("sentry-dsn", ("://",),
                  r"https?://(?P<value>[0-9a-f]{32}(?::[0-9a-f]{32})?)@[a-z0-9.-]*sentry", "value")

AUTH_HEADERS = (
    Rule("bearer-token", ("earer", "EARER"),
         r"[Bb](?:earer|EARER)(?:[ \t]+|%20|\+)" + COLOUR + r"{0,2}(?P<value>(?=[^\s\"'`\\]*[0-9A-Z])[A-Za-z0-9_~+/.%-]{12,}=*)",
         "value", is_credential),
    Rule("basic-auth", ("asic", "ASIC"),
         (r"(?i:authorization[\"'`\\]{0,3}\s*[:=]\s*[\"'`\\]{0,3}basic)(?:[ \t]+|%20|\+)"
                    r"(?P<value>[A-Za-z0-9+/]{8,}={0,2})"), "value", is_credential),
    Rule("authorization-header", ("uthorization", "UTHORIZATION"),
         (r"(?i:authorization[\"'`\\]{0,3}\s*[:=]\s*[\"'`\\]{0,3}(?:token|apikey|api-key|key|digest|bot|sso-key|"
                    r"bearer:)?)[ \t]*(?P<value>(?=[^\s\"'`\\]*[0-9])[A-Za-z0-9_~+/.:-]{16,}=*)(?![(\[])"),
         "value", is_credential),
    Rule("curl-user", ("-u", "--user"),
         r"curl\b[^\n]{0,400}?\s(?:-u|--user)[ =]?[\"'\\]{0,2}[^\s:\"'$]{1,80}:(?P<value>[^\s\"'\\]{4,})",
         "value", is_password),
    Rule("sshpass", ("sshpass",),
         r"sshpass\s+-p\s*[\"'\\]{0,2}(?P<value>[^\s\"'\\]{4,})", "value", is_password),
    Rule("netrc-password", ("password",),
         r"login\s+\S{1,80}\s+password\s+(?P<value>(?=\S*[^a-z\s.,;:)])\S{6,})", "value", is_password),
)

COOKIE_NAME = (r"(?:[\w.-]*(?:sess(?:ion)?(?:[_-]?id)?|\bsid|token|auth|jwt|csrf|remember)[\w.-]*|connect\.sid|PHPSESSID|"
               r"JSESSIONID|ASP\.NET_SessionId|cf_clearance|__(?:Secure|Host)-[\w.-]+)")
COOKIE = (
    Rule("cookie", ("ookie", "OOKIE"),
         (rf"(?i:cookie[\"'`\\]{{0,3}}\s*[:=]\s*[\"'`\\]{{0,3}}(?:[\w.-]+=[^\s;]*;\s*){{0,30}}?{COOKIE_NAME})="
                    r"(?P<value>[^\s;\"'`\\,]{12,})"), "value", is_credential),
    Rule("session-cookie", ("PHPSESSID=", "JSESSIONID=", "connect.sid=", "SessionId=", "gitlab_session="),
         r"(?:PHPSESSID|JSESSIONID|connect\.sid|ASP\.NET_SessionId|_gitlab_session)=(?P<value>[^\s;\"'`\\,&]{12,})",
         "value", is_credential),
)

QUERY = Rule(
    "url-token", ("=",),      # what it begins with may stand too far from what the gate hits
    (r"(?:(?:[?&](?:amp;)?|\\u0026)(?i:[\w-]{0,30}(?:token|secret|password|passwd|pwd)|"
               r"(?:[\w-]{0,20}(?:api|access|secret|private|auth|account)[_-]?)?key)|"
               # never a URL's first parameter
               r"(?:&(?:amp;)?|\\u0026)(?i:sig|signature|x-amz-signature|x-goog-signature|auth|jwt|session|sessionid|sid|code_verifier))"
               r"=(?P<value>(?=[^&\s]*[0-9])[A-Za-z0-9_~+/.%=-]{10,})"), "value", is_credential)

AWS_SECRET = Rule(
    "aws-secret", ("ecret", "ECRET", "aws", "AWS"),
    (r"(?i:secret_?-?access_?-?key|aws_?-?secret(?:_?-?key)?)[\"'`\\]{0,3}\s{0,4}(?:=>|:=|[:=,]|\s)\s{0,4}" + COLOUR +
               r"{0,2}[\"'`\\]{0,3}(?P<value>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"), "value")


def assignment(name: str, gate: str, key: str, judge: Callable[[re.Match[str]], bool] = looks_secret) -> Rule:
    """`NAME = value` in a shell, YAML, JSON (escaped or not), code with a type in between, an HTTP header or a flag."""
    pattern = (
        rf"(?P<name>{key})(?i:[_-]?(?:base|value|prod|dev|staging|live|[0-9]))?"
        rf"(?:{COLOUR}{{0,2}}[\"'`\\]{{0,3}}(?::[ \t]{{0,2}}[A-Za-z][\w.\[\]|]{{0,24}})?[ \t]{{0,3}}"
        rf"(?P<sign>=>|:=|[:=](?!=)){COLOUR}{{0,2}}[ \t]{{0,3}}(?:[|>][-+]?[ \t]*\n[ \t]+)?{COLOUR}{{0,2}})"
        r"(?P<quote>\\{0,3}[\"'`])?(?P<value>(?(quote)[^\s\"'`\\]{8,400}+(?=\\{0,3}[\"'`])|"
        r"[^\s\"'`\\,;<>(){}\[\]|&$\x1b\u241b]{8,400}+(?![({\[$<>])))")
    return Rule(name, tuple(gate.split()), pattern, "value", judge)


SECRET_KEY = re.compile(r"(?i:api|access|private|secret|auth|encryption|signing|account|master|service|role|license|"
                        r"storage|webhook|shared|subscription|admin|deploy|app)[_-]?\Z")


def names_secret_key(match: re.Match[str]) -> bool:
    """A key is a secret by the word in front of it: api_key, not cache_key."""
    before = match.string[max(0, match.start() - 14):match.start()]
    return SECRET_KEY.search(before) is not None and looks_secret(match)


# Each begins with a letter or two, which is what makes a search fast.
ASSIGNMENTS = (
    assignment("password", "ass wd WD ASS",
               r"[Pp](?:(?i:assw(?:or)?d|assphrase)|(?i:(?<![A-Za-z].)wd)|(?<=[a-z]P)(?:ass|wd)|"
               r"(?i:(?<=[_-].)ass|ass(?=[\"'=])))"),
    assignment("api-key", "ey EY", r"[Kk](?i:ey)", names_secret_key),
    assignment("secret", "ecret ECRET edent EDENT", r"[SsCc](?i:ecret|redentials?)"),
    assignment("token", "oken OKEN _auth", r"[Tt](?i:oken)|_auth"),
)
FLAG = Rule(
    "flag-value", ("--",),
    (r"--(?:[a-z]+-){0,3}(?:password|passwd|passphrase|pass|token|secret|key)[ \t]+[\"'\\]{0,2}"
               r"(?P<value>(?=[^\s\"']*[0-9])[^\s\"'`\\,;<>(){}\[\]|&$-][^\s\"'`\\,;<>(){}\[\]|&$]{7,}+)"),
    "value", is_credential)

# What is known by its own shape goes before what is known by its surroundings, so that the placeholder says most.
RULES: tuple[Rule, ...] = (PEM, PUTTY, *TOKENS, AWS_SECRET, SENTRY_DSN, URL_PASSWORD, *AUTH_HEADERS, *COOKIE, QUERY,
                           *ASSIGNMENTS, FLAG)


# ---- the gate -------------------------------------------------------------------------------------------------------

# A pattern that starts with one literal character is searched at the speed of a byte scan, one that may start with
# many is ten times slower. So the rare characters among the rules' literals are first folded into three, and for each
# of the three one pattern is searched: at every anchor it looks at what stands around it.
SMALL, SIGN, CAPITAL = "\x01", "\x02", "\x03"
FOLDED = {SMALL: "bckpz", SIGN: "_.-", CAPITAL: "ABCJKPZ", ":": "~&"}
FOLD = {char: anchor for anchor, chars in FOLDED.items() for char in chars}
FOLD_BYTES = bytes.maketrans("".join(FOLD).encode(), "".join(FOLD.values()).encode())

WORD = r"[A-Za-z0-9\x01-\x03+/=%]"
COLOURED = r"(?:(?:[\x1b?]|\\{1,2}(?:u001[\x01\x03]|x1[\x01\x03]|033|e))\[[0-9;]{0,12}[m\x03]){0,2}"


def any_case(words: str) -> str:
    """The words in folded text, in upper or lower case: [bB] is folded to [\\x01\\x03]."""
    return "|".join("".join(f"[{FOLD.get(c, c)}{FOLD.get(c.upper(), c.upper())}]" for c in word) for word in words.split())


IS_SET = (rf"(?:\x02?(?:{any_case('base value prod dev staging live')}|[0-9]))?{COLOURED}[\"'`\\]{{0,4}}(?::[^\n=]{{1,28}}(?==))?"
          rf"[ \t]{{0,3}}[=:][>=]?{COLOURED}(?:[ \t]*[|>])?[\s\"'`\\+\x02]{{0,24}}{COLOURED}")
PARTS = {
    "<small>": SMALL, "<sign>": SIGN, "<mark>": CAPITAL,
    "<word>": WORD,
    "<alnum>": r"[A-Za-z0-9\x01\x03]",
    "<words>": r"[a-z\x01\x02/=]",
    "<low>": r"[a-z\x01]",
    "<base>": r"[a-z0-9\x01]",
    "<up>": r"[A-Z0-9\x03]",
    "<hex>": r"[0-9a-f\x01]",
    # a name goes on and is set to at least eight characters
    "<set>": IS_SET + r"(?![$<{(\[*])[^\s\"'`\\(){}<>\[\]]{8}",
    # the same where the value must hold more than a word: a digit, a sign, or many letters
    "<odd>": IS_SET + r"(?![$<{(\[*])(?=[^\s\"'`\\]{0,400}?(?:[0-9!@#$%^*+=?:]|[A-Za-z\x01]{20}))[^\s\"'`\\(){}<>\[\]]{8}",
    "<said>": r"\s+(?=\S*[^a-z\s\x01\x02,;:)])\S{6}",
    "<is>": r"[\"'`\\]{0,4}[ \t]{0,3}[=:]",
    "<value>": rf"(?:[ \t]+|%20|\+){COLOURED}" r"[\"'\\]{0,2}[^\s\"'`\\$<{(*\x02][^\s\"'`\\<{(]{7}",
    # the same where a sign before it makes no option of it
    "<sent>": rf"(?:[ \t]+|%20|\+){COLOURED}" r"[\"'\\]{0,2}[^\s\"'`\\$<{(*][^\s\"'`\\<{(]{7}",
}


def fold_tail(tail: str) -> str:
    """A tail is written as it is read; its letters are folded here."""
    return re.sub(r"<\w+>|\\.|\w", lambda m: PARTS.get(m[0]) or FOLD.get(m[0], m[0]), tail)


def gate(anchor: str, *tails: str) -> bytes:
    """A pattern for folded text."""
    return f"{anchor}(?:{'|'.join(map(fold_tail, tails))})".encode()


def prefixed() -> str:
    """The run of a token after any literal of the table that ends in a sign: ghp_ glpat- SG. ..."""
    before: dict[int, set[str]] = {}
    for literal in (literal for rule in TOKENS for literal in rule.gate
                    if len(literal) > 2 and literal[-1] in "_.-"):      # two characters are in every other word
        before.setdefault(len(literal), set()).add("".join(FOLD.get(char, char) for char in literal))
    last = "".join(sorted({literal[-2] for literals in before.values() for literal in literals}))
    looks = "|".join(f"(?<={'|'.join(sorted(literals))})" for _, literals in sorted(before.items()))
    # cheapest doubt first: long enough, not made of words, after a character that some literal ends in, after a literal
    return (f"(?=<word>{{15}}(?:(?<!<words>{{12}})|(?<=<base>{{14}})))(?:(?<=[{last}]{SIGN})(?:{looks})|"
            "<hex>{40}|(?<=<alnum>{24}<sign><word>{6}<sign>)<word>{27})")      # airtable and discord: a run before it, too


# Every rule must be hit by one of these wherever it matches, with a literal of the rule at most NEAR characters away.
# Each alternative starts after the anchor's own character, and with a letter where it can: that is tested first.
GATE = (
    gate(SIGN,
         prefixed(),                                                            # ghp_ glpat- SG.
         r"us[0-9]", r"office<sign>com/webhook",                                # mailchimp, teams
         r"(?<=re<sign>)<alnum>{8}<sign><alnum>{24}",                           # resend
         r"u(?<=\s<sign>u)[ \"'\\]{0,3}[^\s:]{1,80}:", r"user[ =][\"'\\]{0,2}[^\s:]{1,80}:",      # curl -u
         r"(?<=<sign><sign>)(?:<low>{1,20}<sign>){0,3}(?:pass|token|secret|key)<low>*<value>",
         r"SessionId=", r"session=", r"Lines:"),
    gate(SMALL,
         r"(?:e[ny]|ass(?:word|wd|phrase)?|wd|ret|redentials?)<odd>",           # token, key, password, pwd, secret, credential
         r"ie<is>", r"s(?:<sign>slack<sign>|/[0-9]{16})",                       # cookie, hooks
         r"ass(?: <sign>p|word<said>)",                                         # sshpass, netrc
         r"i(?<=da<small>i)<hex>{32}",                                          # dapi
         r"ret<sign>?access",
         r"earer<sent>", r"ation(?<=ori<small>ation)<is>"),                    # bearer, authorization
    gate(CAPITAL,
         r"[BCKS][CI]A<up>{16}", r"Iza<word>{20}", r"T[AC]TT3", r"TBB<word>{20}", r"BSK<word>{20}", r"QVN<word>{20}",
         r"KCp<word>{20}", r"A(?<=EAA)A<word>{20}", r"I(?<=LTAI)<word>{12}", r"[AT](?<=E<mark>[AT])K<word>{20}",
         r"<hex>{32}(?<=S<mark><hex>{32})",
         r"(?:e[ny]|ass(?:word|wd|phrase)?|wd|ret|redentials?)<odd>",
         r"(?:E[NY]|WD|RET|REDENTIALS?|ASS(?:WORD|WD|PHRASE|(?=[\"'=\\])|(?<=<sign><mark>ASS)))<set>",
         r"ie<is>", r"IE<is>", r"RET_?ACCESS",
         r"HPSESSID=", r"SESSIONID=", r"EGIN(?<=<sign><mark>EGIN)", r"earer<sent>", r"EARER<sent>", r"ATION<is>",
         r"<word>{8}(?<=ey<mark><word>{8})"),
    gate(":",
         r"<word>{20}(?<=stra\x03S:<word>{20})",                                # astra
         r"<word>{8}(?<=[Q6]:<word>{8})",                                       # azure, openshift
         r"(?:amp;)?(?:sig|signature|auth|jwt|session|sessionid|sid|code_verifier)=",
         r"//(?:[^\s/@:]{0,100}:[^\s/@]{4,256}@|<hex>{32})",                    # a password in a URL, Sentry's
         r"AA(?<=[0-9]:AA)<word>{20}"),                                         # telegram
)
NEAR = 24                # characters around a hit in which a rule's literal is looked for
LITERALS = tuple((literal, i) for i, rule in enumerate(RULES) for literal in rule.gate)


compiled = cache(re.compile)


@cache
def gate_patterns() -> tuple[re.Pattern[bytes], ...]:
    return tuple(map(re.compile, GATE))


def fold(text: str) -> bytes:
    """One byte a character, so that places in it are places in the text."""
    return folded_bytes(text.encode("ascii", "replace"))


def folded_bytes(data: bytes) -> bytes:
    return data.translate(FOLD_BYTES).replace(b"\\u0026", b"\0\0\0\0\0:")      # & as some programs write it in JSON


def suspected(text: str) -> list[Rule]:
    """The rules that may match in a text; none for nearly all texts."""
    folded = fold(text)
    patterns = gate_patterns()
    for pattern in patterns:
        if pattern.search(folded):
            break
    else:
        return []
    hits = (match.span() for pattern in patterns for match in pattern.finditer(folded))
    near = "\n".join([text[max(0, start - NEAR):end + NEAR] for start, end in hits])
    return [RULES[i] for i in sorted({i for literal, i in LITERALS if literal in near})]


# ---- redacting ------------------------------------------------------------------------------------------------------

def redact(text: str) -> tuple[str, Mapping[str, int]]:
    """Replace each secret in `text` by `[REDACTED:<rule>]`; also return how many of each rule were replaced.

    A text without secrets comes back as the very same object. Redacting twice changes nothing. Line ends are kept,
    but for the block of a private key, which becomes one placeholder.
    """
    if len(text) < SHORTEST:
        return text, NONE
    counts: dict[str, int] = {}
    while rules := suspected(text):     # again after a find: what a placeholder uncovers must not wait for the next run
        before = text
        for rule in rules:
            text, n = replace(rule, text)
            if n:
                counts[rule.name] = counts.get(rule.name, 0) + n
        if text is before:
            break
    return text, counts or NONE


def redact_many(texts: Sequence[str]) -> list[tuple[str, Mapping[str, int]]]:
    """`[redact(text) for text in texts]`, from one scan over all of them: worth it where they are many and short."""
    results = [(text, NONE) for text in texts]
    folded = folded_bytes(b"\0\n".join([text.encode("ascii", "replace") for text in texts]))
    spots = {match.start() for pattern in gate_patterns() for match in pattern.finditer(folded)}
    starts = list(accumulate((len(text) + 2 for text in texts), initial=0)) if spots else []
    for i in {bisect_right(starts, spot) - 1 for spot in spots}:
        results[i] = redact(texts[i])
    return results


def replace(rule: Rule, text: str) -> tuple[str, int]:
    """The text with every secret that one rule finds replaced, and how many there were."""
    placeholder, pieces, end = f"[REDACTED:{rule.name}]", [], 0
    for match in compiled(rule.pattern).finditer(text):
        start, stop = match.span(rule.group)
        if "REDACTED" in text[start:stop] or (rule.judge and not rule.judge(match)):
            continue
        pieces += text[end:start], placeholder
        end = stop
    return ("".join(pieces) + text[end:], len(pieces) // 2) if pieces else (text, 0)


# ---- names ----------------------------------------------------------------------------------------------------------

# Claude Code names a project's folder after its path, with `-` for every other sign: no rule knows a token in that dress.
PROJECT_FOLDER = re.compile(r"(?:^|/)-[^/]*?(?:[A-Za-z0-9]{30}|(?=[A-Za-z]*[0-9])[A-Za-z0-9]{20})[^/]*")


@lru_cache(20_000)      # a run asks of each path when it plans, when it reports and when it saves
def redact_name(name: str) -> str:
    """A path, a folder or an id as it may be written down: itself, or without its secrets and with 8 hex digits that tell
    it from others."""
    clean = PROJECT_FOLDER.sub("/[REDACTED:name]", redact(name)[0])
    return name if clean == name else f"{clean}~{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"
