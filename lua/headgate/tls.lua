--- The ssl_certificate phase: the certificate of the name that a client asks for.
-- Where nothing fits, the static certificate of the server block stays.

local certificates = require("headgate.certificates")
local router = require("headgate.router")
local ssl = require("ngx.ssl")
local store = require("headgate.store")

local lower, sub = string.lower, string.sub
local get = store.get

local _M = { reject_unknown_names = false }

local function server_name(name)
    if name then
        name = lower(name)
        if sub(name, -1) == "." then
            name = sub(name, 1, -2)
        end
        local entry = get(store.server_name, name)
        if entry then
            return entry
        end
        local covering = router.wildcard(name)
        entry = covering and get(store.server_name, covering)
        if entry then
            return entry
        end
    end
    return nil
end

-- Parsed once per worker and generation: at each handshake it would cost more than the handshake.
local function pair_of(key)
    local entry = key and get(store.certificate, key)
    if not entry or entry.broken then
        return nil
    end
    if not entry.pair then
        local pair, err = certificates.parse(entry)
        if not pair then
            entry.broken = err
            store.report("certificate " .. key .. " cannot be used: " .. err)
            return nil
        end
        entry.pair = pair
        entry.certificate, entry.key = nil, nil
    end
    return entry.pair
end

local function add(pair)
    assert(ssl.set_cert(pair.chain))
    assert(ssl.set_priv_key(pair.key))
end

local function certificate()
    local entry = server_name(ssl.server_name())
    local pair = entry and pair_of(entry.certificate)
    -- Of another key type: OpenSSL has a place for each, and takes what the client can verify.
    local second = entry and entry.second and pair_of(entry.second)
    if not pair then
        pair, second = second, nil
    end
    if not entry and _M.reject_unknown_names then
        return "reject"
    end
    if not pair then
        local default = get(store.server_name, "_")
        pair = default and pair_of(default.certificate)
    end
    if not pair then
        return
    end
    assert(ssl.clear_certs())
    add(pair)
    if second then
        add(second)
    end
end

--- Runs the phase.
function _M.certificate()
    local ok, verdict = pcall(certificate)
    if not ok then
        store.report("handshakes fail: " .. tostring(verdict))
    elseif verdict == "reject" then
        return ngx.exit(ngx.ERROR)
    end
end

return _M
