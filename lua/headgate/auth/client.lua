--- Asks a service over a connection of our own, with a bound on the whole time.

local answers = require("headgate.auth.answer")
local limits = require("headgate.limits")
local settings = require("headgate.auth.settings")

local ngx = ngx
local now, tcp = ngx.now, ngx.socket.tcp
local max, min = math.max, math.min

local _M = {}

---@class headgate.auth_peer
---@field address string IPv6 in brackets
---@field port integer
---@field tls boolean
---@field name string? server name in the handshake
---@field verify boolean whether its certificate must be good, and for this name

---@class headgate.auth_asking
---@field text string the request as bytes
---@field method string
---@field deadline number seconds as ngx.now gives them

local function set_time(sock, deadline)
    -- 0 would be no limit.
    local left = max(1, (deadline - now()) * 1000)
    sock:settimeouts(min(left, settings.connect_ms), left, left)
end

-- Connections differ by whom they lead to, and by what was asked of its certificate.
local function pool_of(peer)
    local pool = "auth " .. peer.address .. ":" .. peer.port
    if not peer.tls then
        return pool
    end
    return pool .. " tls " .. (peer.verify and "verified " or "") .. (peer.name or "")
end

local function connect(peer, deadline)
    local sock = tcp()
    set_time(sock, deadline)
    local ok, err = sock:connect(peer.address, peer.port, { pool = pool_of(peer) })
    if not ok then
        return nil, err
    end
    local reused = (sock:getreusedtimes() or 0) > 0
    if peer.tls and not reused then
        ok, err = sock:sslhandshake(false, peer.name, peer.verify)
        if not ok then
            sock:close()
            return nil, "TLS: " .. (err or "failed")
        end
    end
    return sock, nil, reused
end

-- One request on one connection. `unheard`: the other side may have closed it before it got the
-- request, as happens to kept connections.
local function exchange(sock, asking)
    set_time(sock, asking.deadline)
    local ok, err = sock:send(asking.text)
    if not ok then
        return nil, err, true
    end
    local heard = false
    local function more()
        if now() >= asking.deadline then
            return nil, "timeout"
        end
        set_time(sock, asking.deadline)
        local bytes, fault = sock:receiveany(limits.auth_read_bytes)
        if not bytes then
            return nil, fault
        end
        heard = true
        return bytes
    end
    local answer
    answer, err = answers.read(more, asking.method)
    if not answer then
        return nil, err, not heard and err ~= "timeout"
    end
    return answer
end

--- Asks a peer.
---@param peer headgate.auth_peer
---@param asking headgate.auth_asking
---@return headgate.auth_answer? answer
---@return string? err
---@return boolean? unreached it got nothing: another peer may be asked
function _M.ask(peer, asking)
    for _ = 1, limits.auth_stale_max do
        local sock, err, reused = connect(peer, asking.deadline)
        if not sock then
            return nil, err, true
        end
        local answer, fault, unheard = exchange(sock, asking)
        if answer then
            if not (answer.keep
                and sock:setkeepalive(limits.auth_idle_ms, limits.auth_pool_connections))
            then
                sock:close()
            end
            return answer
        end
        sock:close()
        if not (reused and unheard) then
            return nil, fault
        end
    end
    return nil, "its kept connections were all closed"
end

return _M
