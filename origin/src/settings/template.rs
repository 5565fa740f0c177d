/// The file that `countersign init` writes: every setting with its default, as a comment unless `init` was told it.
/// The arguments were checked and are written as TOML strings. `url_file` has the database's URL.
pub(crate) fn template(listen: &str, public_url: &str, url_file: Option<&str>) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let [listen, public_url] = [listen, public_url].map(quoted);
    let url_file = match url_file {
        Some(file) => format!("url_file = {}", quoted(file)),
        None => "#   url_file = \"database.url\"".to_owned(),
    };
    format!(
        r#"# Countersign. Relative paths are relative to this file. Lines that begin with # show the defaults.
# Any setting can be given in the environment instead: COUNTERSIGN__SERVER__LISTEN=0.0.0.0:8080

[server]
listen = {listen}
# What browsers use: scheme, host and port. With the edge in front, the edge's. No request header is believed about it.
public_url = {public_url}
# shutdown_grace_seconds = 10
# Beyond this, new connections wait. Each needs a file descriptor (ulimit -n).
# max_connections = 1024
# Where the address of a client is read from: "peer", the other end of the connection, where nothing stands in front of this
# origin; or the name of a header, which is believed from these networks only. Without it no address is known. An edge
# writes X-Forwarded-For where its settings have client_ip_header; the networks are those its requests come from.
#   client_address = "X-Forwarded-For"
# trusted_proxies = []

[database]
# One of three: the path of a file, for one machine; or PostgreSQL, for any number of origins: a file with its URL, or the
# URL, which is better given as COUNTERSIGN__DATABASE__URL when it has a password (libpq's password file will do too).
# path = "countersign.db"
{url_file}
#   url = "postgres://countersign@db.example.com/countersign?sslmode=verify-full"

[secrets]
# 32 bytes in base64url. Every other secret is in the database, sealed under this key. Keep a copy elsewhere.
# Where the variable COUNTERSIGN_MASTER_KEY has the key itself, no file is read.
# master_key_file = "master.key"

[argon2]
# memory_kib = 19456
# iterations = 2
# parallelism = 1
# Password checks at once, and how many may wait; beyond, logins are answered 503.
# workers = 2
# queue = 64

[session]
# max_time_minutes = 120
# A session that is not used ends after this; 0 for never. Its token is re-issued once a quarter of it (at least a
# minute) has passed, so an unused session ends after three quarters to the whole of it.
# max_idle_minutes = 30
# auth_level = 0
# cookie_name = "__Host-iPlanetDirectoryPro"   # on http: "iPlanetDirectoryPro"
# same_site = "lax"                            # "strict", "none" (needs https)
# The cookie is for all hosts below one of these, such as "example.com": the longest that the host of public_url is in. Not
# with a __Host- name.
# cookie_domains = []
# In a page of another site, a jar of its own (CHIPS); needs https.
# partitioned = false
# Browsers keep no cookie above 4,096 bytes: such a login is refused, or "drop" leaves out the properties named, in order.
# "server-side" makes it a server-side session.
# oversize = "refuse"
# droppable_properties = []
# false keeps sessions in the database and gives browsers a reference. What was made before goes on until it ends.
# statelessSessionsEnabled = true
# Administrators have server-side sessions whatever is said above; false to treat them like everybody.
# administrators_server_side = true
# Use of a server-side session is noted at most this often, in seconds.
# latestAccessTimeUpdateFrequency = 60
# How many server-side sessions a user may have, once this is "ON", and what happens to one too many.
# iplanet-am-session-enable-session-constraint = "OFF"
# quotaLimit = 5
# behaviourWhenQuotaExhausted = "DestroyNextExpiringAction" # "DenyAccessAction", "DestroyOldestAction", "DestroyAllAction"
# Session properties that users may read, and set in a server-side session.
# sessionPropertyWhitelist = ["AMCtxId"]
# How the token is made, by AM's names. A change takes effect by itself: keys of the new kind are made and published
# first, and what was made before is good until it expires.
# With HS256, HS384, HS512 or NONE every edge holds a key that can mint sessions.
# statelessSigningType = "EdDSA"                # "HS256", "HS384", "HS512", "RS256", "ES256", "ES384", "ES512", "NONE"
# statelessEncryptionType = "DIRECT"            # "AES_KEYWRAP", "RSA", "NONE"
# "org.forgerock.openam.session.stateless.encryption.method" = "A256GCM" # or A128GCM, A192GCM, A128CBC-HS256, A192CBC-HS384, A256CBC-HS512
# "org.forgerock.openam.session.stateless.rsa.padding" = "RSA-OAEP-256"
# aes_keywrap_bits = 256
# statelessCompressionType = "NONE"
# Keys are generated. One's own come in with `countersign keys import`, or from a file with the secret in base64:
# never as text in here. A weak one is refused, as is a missing file. Once the file's key is in use (see `countersign
# doctor`), the line may go, and then the file.
#   statelessSigningHmacSecret = {{ file = "hmac.b64" }}
#   statelessEncryptionAesKey = {{ file = "aes.b64" }}

[journey]
# max_duration_minutes = 5
# Where a login in progress is kept: with the client ("JWT"), in the database ("CTS"), or in the memory of one process
# ("In-Memory"), which then must get all of its requests. A change takes effect for the next login.
# authenticationSessionsStateManagement = "JWT"
# A step can be answered once; with "JWT" that is a row in the database for each step.
# authenticationSessionsWhitelist = true
# How many minutes a suspended login waits for the link in the mail to be opened.
# suspendedAuthenticationTimeout = 5
# The authId is signed, the state inside is sealed. Both are for the origin alone.
# statelessSigningType = "HS256"
# statelessEncryptionType = "DIRECT"
# "org.forgerock.openam.session.stateless.encryption.method" = "A256GCM"
# aes_keywrap_bits = 256

[passwords]
# What is asked of passwords that are set from now on; lengths are in characters.
# min_length = 8
# max_length = 256
# min_capitals = 0
# min_numbers = 0
# How many of a user's passwords, the present one among them, may not be taken again.
# history = 0
# Days until a password must be changed, 0 for never; before that it is asked for.
# max_age_days = 0
# expiry_warning_days = 5
# One that an administrator has set must be changed at the next login.
# force_change_on_reset = false

[accountlockout]
# By AM's names; times are minutes. The same is counted for names that nobody has.
# loginFailureLockoutMode = false
# loginFailureCount = 5
# loginFailureDuration = 300
# 0: until `countersign user enable`. Each further lock lasts the multiplier times as long as the one before.
# lockoutDuration = 0
# lockoutDurationMultiplier = 1
# From this failure on, users are told how many are left; 0 for never.
# lockoutWarnUserCount = 0

[rate_limits]
# Requests to log in from one address (of IPv6, from one /64), wrong passwords for one user, and mails of journeys to one
# address, in so many seconds; 0 for no limit. Each origin counts by itself. Of one user no more passwords are checked at
# once than may be wrong; the others wait.
# address_requests = 300
# address_seconds = 60
# user_failures = 30
# user_seconds = 60
# mails = 10
# mail_seconds = 3600
# tracked = 65536

[identities]
# What users are asked and told, and what is known of them beside the properties that all have:
#   [identities.terms]
#   version = "1.0"
#   file = "terms.html"                # or text = "…"
#   create_date = "2026-01-01T00:00:00Z"
#   [identities.kba]
#   questions = {{ 1 = "What's your favorite color?", 2 = "Who was your first employer?" }}
#   minimum_answers_to_define = 2
#   minimum_answers_to_verify = 1
#   maximum_attempts = 5
#   [identities.properties.age]
#   title = "Age"
#   type = "number"                    # "string", "boolean", "object"

[mail]
# The server that takes mail, for journeys that send some; none by default. Journeys do not wait for delivery.
#   host = "smtp.example.com"
#   from = "Login <login@example.com>"
# security = "starttls"                # "tls" from the first byte; "none" for a server on this machine
# port = 587                           # with "tls" 465, with "none" 25
#   username = "login"
#   password_file = "smtp.password"
#   ca_file = "ca.pem"                 # believed beside the system's certificates
# queue = 1000
# timeout_seconds = 30
# attempts = 3

[scripts]
# Scripts of journeys run on threads of their own, within these limits.
# threads = 4
# queue = 64
# memory_kib = 16384
# stack_kib = 256
# time_ms = 1000
# total_ms = 15000
# source_kib = 256
# output_kib = 1024
# log_lines = 200
# exchanges = 20
# body_kib = 1024
# Where their httpClient may send to: beginnings of URLs. Redirects are not followed.
#   http_allow = ["https://api.example.com/v1"]
# http_timeout_ms = 5000

# A realm may have settings of its own; the others hold for it as well:
#   [realm."/alpha".session]
#   max_idle_minutes = 15
#   [realm."/alpha".journey]
#   max_duration_minutes = 10

[nodes]
# What nodes of journeys need. The servers they ask must be among those of scripts.http_allow.
# Files with secrets, by label; social.NAME is that of the client at the identity provider NAME.
#   [nodes.secrets]
#   "social.google" = "google.secret"
# Takes push messages and hands them on to phones: a JSON object with messageId, deviceId, deviceType, communicationType
# and message is posted to it.
#   push_gateway = "https://push.example.com/send"
#   [nodes.ping_one_environments]
#   worker = "environment id"
# Whom to believe about the keys of Android phones that are bound with attestation: public keys or certificates (PEM)
# instead of Google's. The list of revoked ones is asked for each time, where its address is set.
#   attestation_roots = "roots.pem"
#   attestation_status_url = "https://android.googleapis.com/attestation/status"
#   [[nodes.consents]]
#   name = "crm"
#   display_name = "Customer service"

[webauthn]
# The domain that security keys and passkeys are for: the host of public_url, or one above it. After a change those that
# are registered work no more.
#   relying_party_id = "example.com"
# Where the pages are that ask for them; by default public_url.
#   origins = ["https://login.example.com"]

[denylist]
# A logout is refused everywhere after lease_ms at the latest. "default" polls every 2 s with a lease of 10 s;
# "strict" 0.5 s and 2 s; "relaxed" 15 s and 60 s.
# profile = "default"
# poll_ms = 2000
# lease_ms = 10000   # at least twice poll_ms, at most 10 minutes

[audit]
# keep_days = 365

[metrics]
# GET /metrics for Prometheus, on an address that only the operator reaches; none by default.
#   listen = "127.0.0.1:9464"

[keys]
# Keys of this age are followed by new ones, without any session noticing; 0 for never. See also `countersign keys`.
# rotate_after_days = 0
# How often one key may encrypt; it is followed by another at three quarters. 2^32 is also the most.
# max_seals = 4294967296
# For how long applications may keep their realm's jwks.json (`countersign doctor` says where each is); a new assertion key is
# used only after that.
# jwks_max_age_seconds = 60

[validation]
# Where a login may lead beside public_url, by goto or by its journey: origins, or origins with a path that ends in /*; and
# apps, by a scheme with a dot in it.
# valid_goto_destinations = ["https://app.example.com", "https://www.example.com/shop/*", "com.example.app:/*"]

[cors]
# Pages of these origins may use the REST interface from the browser, with the user's cookies (AM's CORS service). Where
# they are of another site than public_url, the session cookie needs same_site = "none" as well.
# acceptedOrigins = ["https://app.example.com"]

[log]
# format = "text"    # "json"
# filter = "info"
"#
    )
}
