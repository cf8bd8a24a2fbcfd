--- Peers that fail are ejected for a while (passive health), by all workers of this nginx. Those
-- that fail the checks of the agent get no requests while they do.
--
-- Failures are counted in each worker. What came of it, an ejection or a return, stands in shared
-- memory under the backend's id, and raises the counter of changes that each request asks for
-- anyway: so the next request in every worker sees it, and a backend without trouble pays for
-- nothing. A worker that is killed leaves at most a claim to try a peer, which expires.

local checked_peers = require("headgate.health.checked_peers")
local failure = require("headgate.health.failure")
local limits = require("headgate.limits")
local outliers = require("headgate.health.outliers")
local peers = require("headgate.peers")
local peer_records = require("headgate.health.peer_records")
local slow_start = require("headgate.health.slow_start")

local format = string.format
local sort = table.sort
local ipairs, next, pairs = ipairs, next, pairs
local ngx = ngx
local now = ngx.now
local name_of = peers.name_of
-- A configuration that is older than this code has none.
local dict = ngx.shared.headgate_health

local _M = {}

-- Where a configuration says nothing.
local PANIC_PERCENT = 50

---@type headgate.health_rules
local rules = { enabled = false, panic_percent = PANIC_PERCENT }

-- Backend id → name of a peer → headgate.failure_count. By existing peers.
local counts_of = {}
-- Backend id → ejections by this worker that no metric has yet.
local ejections = {}

---@class headgate.health of a decoded backend, while there is something to say of its peers
---@field text string? what shared memory has of ejections
---@field said string? what it has of checks
---@field failing table<string, headgate.failing_peer> those that fail their checks, by name
---@field records table<string, headgate.peer_record> by name
---@field mask table<integer, boolean>? peers that get no requests; nil: all do
---@field is_out table<integer, boolean> peers that are ejected, also where all are used
---@field out integer how many
---@field queue table[] those that requests may try, as `index` and `record`, by when they are due

--- init_by_lua: takes the rules.
---@param settings headgate.health_rules?
function _M.configure(settings)
    rules = dict and settings or { enabled = false, panic_percent = PANIC_PERCENT }
end

-- One that comes back is not held to how late its answers were before.
local function renew_returned(backend, before, is_out)
    for index in pairs(before and before.is_out or {}) do
        if not is_out[index] then
            peers.renew(backend, index, now())
        end
    end
end

local function is_due_before(a, b)
    return a.record.until_s < b.record.until_s
end

-- Counts of peers that are there and used: one that comes back begins anew.
local function keep_counts(backend, is_out)
    local counts = counts_of[backend.id]
    if not counts then
        return
    end
    local kept = {}
    for index = 1, backend.count do
        local name = name_of(backend, index)
        kept[name] = not is_out[index] and counts[name] or nil
    end
    counts_of[backend.id] = kept
end

local function build(backend, text, said)
    local failing = checked_peers.by_name(said)
    local records = peer_records.decode(text)
    local is_out, out, queue = {}, 0, {}
    for index = 1, backend.count do
        local name = name_of(backend, index)
        local record = records[name]
        if failing[name] or (record and record.out) then
            is_out[index] = true
            out = out + 1
            -- Whether one that fails its checks is well again, the next checks say.
            if not failing[name] then
                queue[#queue + 1] = { index = index, record = record }
            end
        end
    end
    sort(queue, is_due_before)
    keep_counts(backend, is_out)
    renew_returned(backend, backend.health, is_out)
    backend.health = {
        text = text, records = records, is_out = is_out, out = out, queue = queue,
        said = said, failing = failing,
        mask = out > 0 and not outliers.panics(out, backend.count, rules) and is_out or nil,
    }
end

--- Takes in what shared memory says of a backend's peers. Call it where `backend.looked` is not
-- `backend.checked`: something changed.
---@param backend table
function _M.look(backend)
    backend.looked = backend.checked
    backend.young = slow_start.look(backend)
    local text = rules.enabled and peer_records.text(backend.id) or nil
    local said = checked_peers.text(backend.id)
    local health = backend.health
    if not text and not said and not counts_of[backend.id] then
        if health then
            renew_returned(backend, health, {})
            backend.health = nil
        end
    elseif not health or health.text ~= text or health.said ~= said then
        build(backend, text, said)
    end
end

--- The peers of a backend that must not be used; nil: all may be.
---@param backend table
---@return table<integer, boolean>? mask by index
function _M.barred(backend)
    if backend.looked ~= backend.checked then
        _M.look(backend)
    end
    local health = backend.health
    return health and health.mask
end

local function claim_key(backend, index)
    return "p:" .. backend.id .. " " .. name_of(backend, index)
end

--- A peer whose back-off is over, for one request to try. Give it back by `release` where the
-- request goes elsewhere.
---@param backend table with a mask
---@param safe boolean the request can be sent again if the peer fails
---@return integer? index
function _M.claim(backend, safe)
    local at = now()
    local health = backend.health
    for _, each in ipairs(health.queue) do
        if not outliers.is_due(each.record, rules, at, safe) then
            return nil
        end
        local key = claim_key(backend, each.index)
        if dict:safe_add(key, ngx.worker.pid(), limits.probe_s_max) then
            return each.index
        end
    end
end

--- Gives a claimed peer back.
---@param backend table
---@param index integer
function _M.release(backend, index)
    dict:delete(claim_key(backend, index))
end

local function out_in(backend, records)
    local failing = backend.health and backend.health.failing or {}
    local out = 0
    for index = 1, backend.count do
        local name = name_of(backend, index)
        local record = records[name]
        if failing[name] or (record and record.out) then
            out = out + 1
        end
    end
    return out
end

local function eject(backend, name, cause, failures)
    local at = now()
    local seconds
    local done = peer_records.update(backend.id, function(records)
        local before = records[name]
        local again = before and before.out
        if again and before.until_s > at then
            return false
        end
        if not again and not outliers.may_eject(out_in(backend, records), backend.count, rules) then
            return false
        end
        records[name] = outliers.ejected(before, rules, at, cause, failures)
        seconds = records[name].until_s - at
        return true
    end)
    if done then
        ejections[backend.id] = (ejections[backend.id] or 0) + 1
        ngx.log(ngx.WARN, "peer ", name, " of ", backend.id, " is ejected for ",
            format("%.1f", seconds), " s: ", cause)
    end
    return done
end

local function count_of(backend, name, at)
    local counts = counts_of[backend.id]
    if not counts then
        counts = {}
        counts_of[backend.id] = counts
    end
    local count = counts[name]
    if not count then
        count = outliers.new(at)
        counts[name] = count
    end
    if not backend.health then
        build(backend, nil)
    end
    return count
end

local function forget(backend, name)
    local counts = counts_of[backend.id]
    if counts then
        counts[name] = nil
    end
end

--- Takes in that a try failed.
---@param ctx table of the request; `probe`: the peer was out when it was chosen
---@param backend table
---@param index integer
---@param cause string
function _M.failed(ctx, backend, index, cause)
    if not rules.enabled then
        return
    end
    local name = name_of(backend, index)
    if ctx.probe then
        eject(backend, name, cause, 1)
        _M.release(backend, index)
        ctx.probe = nil
        return
    end
    local record = backend.health and backend.health.records[name]
    if record and record.out then
        -- It was sent before the ejection.
        return
    end
    local at = now()
    local count = count_of(backend, name, at)
    if outliers.failed(count, rules, at) and eject(backend, name, cause, count.failed) then
        forget(backend, name)
    end
end

local function bring_back(backend, index)
    local name = name_of(backend, index)
    local at = now()
    local done = peer_records.update(backend.id, function(records)
        local before = records[name]
        if not before or not before.out then
            return false
        end
        records[name] = outliers.returned(before, at)
        return true
    end)
    if done then
        ngx.log(ngx.WARN, "peer ", name, " of ", backend.id, " answers and is used again")
    end
    _M.release(backend, index)
    forget(backend, name)
end

--- Takes in that a peer that was out has begun to answer: an answer may take hours to end.
---@param ctx table with `probe`
---@param status integer
function _M.answered(ctx, status)
    if status < 502 or status > 504 then
        ctx.probe = nil
        bring_back(ctx.backend, ctx.index)
    end
end

--- Takes in how a request ended. For those that failed, or whose backend has failures.
---@param ctx table
---@param status integer
function _M.done(ctx, status)
    local backend, index = ctx.backend, ctx.index
    if not index or not rules.enabled then
        return
    end
    local cause, answered = failure.of_last_try(status)
    if cause then
        return _M.failed(ctx, backend, index, cause)
    end
    if ctx.probe then
        -- It says nothing: whoever comes next may try.
        ctx.probe = nil
        return _M.release(backend, index)
    end
    local counts = answered and counts_of[backend.id]
    local count = counts and counts[name_of(backend, index)]
    if count and outliers.succeeded(count, rules, now()) then
        forget(backend, name_of(backend, index))
        if next(counts) == nil then
            counts_of[backend.id] = nil
            if backend.health and not backend.health.text and not backend.health.said then
                backend.health = nil
            end
        end
    end
end

--- Forgets what is said of backends and peers that are gone. Each second; one worker is enough for
-- shared memory.
---@param cache table<string, table> decoded backends by id
function _M.sweep(cache)
    for id, counts in pairs(counts_of) do
        if not cache[id] or next(counts) == nil then
            counts_of[id] = nil
        end
    end
    if ngx.worker.id() == 0 then
        checked_peers.sweep(now())
        if rules.enabled then
            peer_records.sweep(rules, now())
        end
    end
end

--- Hands over the ejections since the last time.
---@param add fun(key: string, amount: number)
function _M.flush(add)
    for id, number in pairs(ejections) do
        add("ejections " .. id, number)
        ejections[id] = nil
    end
end

--- Whether peers are ejected at all.
---@return boolean
function _M.is_on()
    return rules.enabled
end

return _M
