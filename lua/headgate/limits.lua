--- Every limit of the data plane in one place, unit last in the name.
-- docs/dataplane-api.md repeats them; lua/schema/document.schema.json has those of documents.

---@class headgate.limits
local _M = {
    -- The push API.
    body_bytes_max = 1048576,
    json_depth_max = 8,
    lock_wait_s_max = 2,
    lock_ttl_s = 10,
    -- cjson writes 14 significant digits: beyond that a generation would not survive the way back.
    generation_max = 99999999999999,

    -- Documents.
    key_bytes_max = 1024,
    host_bytes_max = 253,
    path_bytes_max = 4096,
    text_bytes_max = 1024,
    host_paths_max = 20000,
    prefix_segments_max = 128,
    pattern_bytes_max = 4096,
    -- A context of TLS sessions has its name, and OpenSSL takes no longer one.
    policy_name_bytes_max = 32,
    route_backends_max = 64,
    route_filters_max = 16,
    access_networks_max = 5000,
    cors_origins_max = 100,
    cors_origin_bytes_max = 300,
    cors_max_age_s_max = 100000000,
    hash_parts_max = 32,
    field_name_bytes_max = 128,
    cookie_age_s_max = 100000000,
    user_agent_bytes_max = 1024,
    split_choices_max = 16,
    split_weight_max = 1000000,
    split_header_bytes_max = 4096,
    redirect_parts_max = 32,
    error_codes_max = 200,
    headers_max = 64,
    body_bytes_limit_max = 1125899906842624,
    header_name_bytes_max = 128,
    header_value_bytes_max = 4096,
    header_parts_max = 32,
    limit_max = 1000000,
    limit_burst_max = 1000000000,
    limit_rates_max = 4,
    bandwidth_max = 1099511627776,
    realm_bytes_max = 256,
    users_max = 50000,
    user_bytes_max = 255,
    password_hash_bytes_max = 512,
    hash_bound_max = 10000,
    backend_peers_max = 10000,
    weight_max = 100,
    slow_start_s_max = 3600,
    timeout_ms_max = 86400000,
    tries_max = 100,
    certificate_bytes_max = 262144,
    certificate_names_max = 1000,

    -- Memory. New keys are refused below this share of free pages, so that updates still fit.
    watermark_share = 0.125,
    -- A tombstone only has to outlive pushes that are on their way.
    tombstone_ttl_s = 3600,
    problems_max = 32,
    problem_ttl_s = 300,

    -- Requests.
    regex_stack_bytes = 262144,
    patterns_s_max = 0.03,
    stale_connections_max = 16,
    upgraded_timeout_s = 3600,
    named_idle_s = 60,
    named_requests_max = 10000,
    series_ttl_s = 86400,
    hit_ttl_s = 7776000,

    -- Health of peers: a claim to try one, a record that nobody touches, the place to write one.
    probe_s_max = 30,
    health_ttl_s = 3600,
    health_lock_s = 0.1,
    health_lock_tries = 200,
    -- What the agent says of peers that fail its checks.
    failing_ttl_s_max = 7200,
    failing_peers_max = 1000,
    -- Counts of peers that are gone are looked for where less than this share of memory is free.
    load_free_share = 0.5,

    -- Services that are asked whether a request may pass. A head as long as all headers of a
    -- request may be; a longer body is not read to its end.
    auth_head_bytes_max = 32768,
    auth_fields_max = 200,
    auth_body_bytes_max = 65536,
    auth_chunk_line_bytes_max = 256,
    auth_interim_max = 4,
    auth_read_bytes = 16384,
    auth_tries_max = 3,
    -- More than are kept: at the latest then there is a new one.
    auth_stale_max = 33,
    auth_idle_ms = 30000,
    auth_pool_connections = 32,
    auth_headers_max = 64,
    auth_parts_max = 32,
    auth_cache_entries_max = 10000,
    auth_cache_bytes_max = 4194304,
    auth_cache_seconds_max = 86400,
    auth_cache_key_bytes_max = 4096,
    auth_cache_entry_bytes_max = 8192,
    authorization_bytes_max = 2048,

    -- Passwords: how long and how many of them a worker remembers; which share of its time the
    -- check of others may take, and which the wrong ones of one client, after so much at once.
    passwords_kept_s = 60,
    passwords_kept_max = 5000,
    worker_passwords_share = 0.5,
    worker_passwords_s = 2,
    client_passwords_share = 0.1,
    client_passwords_s = 1,
}

return _M
