--- Documents in shared memory, and each worker's decoded form of them.
--
-- Two dicts: `headgate_versions` says which generation of a document counts (negative: a
-- tombstone), `headgate_documents` holds its text under "<kind>:<key>@<generation>". The text is
-- written first and the version after it, so a reader finds either the old document or the new
-- one, a writer that runs out of memory has not touched the old one, and a worker that is killed
-- between the two leaves no half of anything.
-- A worker keeps the decoded form beside its generation. A counter is raised after every change:
-- while it stands where it stood when a form was checked last, that form is the one that counts,
-- so a request asks for one number, however many documents it needs.
-- Decoded forms are kept by the keys of existing documents, never by what a client sends.

local limits = require("headgate.limits")
local compile = require("headgate.compile")
local problems = require("headgate.problems")
local reading = require("headgate.reading")

local abs = math.abs
local format, find, sub = string.format, string.find, string.sub
local ipairs, pairs, tostring = ipairs, pairs, tostring
local crc32 = ngx.crc32_long

local versions = ngx.shared.headgate_versions
local documents = ngx.shared.headgate_documents

local _M = { null = reading.null, decode = reading.decode }

---@class headgate.kind
---@field name string
---@field prefix string what stands before the id in shared memory
---@field cache table<string, table> id → decoded document

local function kind(name, prefix)
    return { name = name, prefix = prefix, cache = {} }
end

-- Hosts and server names are looked up by what a client says, without their listener set.
_M.backend = kind("backend", "backend:")
_M.certificate = kind("certificate", "certificate:")
_M.users = kind("users", "users:")
_M.route = kind("route", "route:")
_M.host = kind("host", "host:ingress/")
_M.server_name = kind("server_name", "server_name:ingress/")

local all = { _M.backend, _M.certificate, _M.users, _M.route, _M.host, _M.server_name }

local function text_key(version_key, generation)
    return version_key .. "@" .. format("%d", generation)
end

_M.report = problems.report

local function vanished(of, id, entry)
    _M.report(format("%s %s is gone from shared memory without a deletion; push it again",
        of.name, id))
    return entry
end

-- The way for documents that this worker has not decoded in this generation.
local function load(of, id, entry, version, changes)
    local version_key = of.prefix .. id
    local text
    for _ = 1, 3 do
        if not version then
            if entry then
                return vanished(of, id, entry)
            end
            return nil
        end
        if version < 0 then
            of.cache[id] = nil
            return nil
        end
        text = documents:get(text_key(version_key, version))
        if text then
            break
        end
        -- Replaced between the two looks; a second look finds the newer one.
        version = versions:get(version_key)
    end
    if not text then
        return vanished(of, id, entry)
    end
    local built, problem, detail = reading.build(of.name, id, text)
    if not built then
        -- The reload that brings a policy or a profile is on its way; where it fails, or there is
        -- no room for it, the agent says so.
        if problem ~= compile.UNKNOWN_POLICY and problem ~= compile.UNKNOWN_PROFILE then
            _M.report(format("%s %s cannot be used: %s", of.name, id, tostring(problem)))
        end
        if entry and compile.stands_in(entry, problem, detail) then
            local strict = problem == compile.UNKNOWN_PROFILE and detail
            return strict and compile.stand_in(entry, strict) or entry
        end
        built = { broken = tostring(problem) }
    end
    built.id = id
    built.generation = version
    built.version_key = version_key
    built.checked = changes
    of.cache[id] = built
    return built
end

--- The document that counts now, decoded.
---@param of headgate.kind
---@param id string
---@return table? entry nil where there is none; `broken` says why one cannot be used
function _M.get(of, id)
    return _M.get_at(of, id, versions:get("#changes"))
end

--- As `get`, with the number of changes that a caller has asked for once for several documents.
---@param of headgate.kind
---@param id string
---@param changes integer?
function _M.get_at(of, id, changes)
    local entry = of.cache[id]
    if entry then
        if entry.checked == changes then
            return entry
        end
        local version = versions:get(entry.version_key)
        if version == entry.generation then
            entry.checked = changes
            return entry
        end
        return load(of, id, entry, version, changes)
    end
    local version = versions:get(of.prefix .. id)
    if not version or version < 0 then
        return nil
    end
    return load(of, id, nil, version, changes)
end

--- How many deletions there were.
---@return integer
function _M.deletions()
    return versions:get("#deletions") or 0
end

--- Whether there is such a document now.
---@param of headgate.kind
---@param id string
---@return boolean
function _M.is_held(of, id)
    return (versions:get(of.prefix .. id) or 0) > 0
end

--- How many changes there were. A change that was answered is counted.
---@return integer?
function _M.changes()
    return versions:get("#changes")
end

--- Drops the decoded forms of deleted documents. Cheap while nothing was deleted.
---@return boolean swept
function _M.sweep()
    local deletions = versions:get("#deletions") or 0
    if deletions == _M.swept then
        return false
    end
    _M.swept = deletions
    for _, of in ipairs(all) do
        for id, entry in pairs(of.cache) do
            local version = versions:get(entry.version_key)
            if version and version < 0 then
                of.cache[id] = nil
            end
        end
    end
    return true
end

local function below_watermark()
    return documents:free_space() < documents:capacity() * limits.watermark_share
        or versions:free_space() < versions:capacity() * limits.watermark_share
end

local function count(name, key, before, after)
    local digest = versions:get("#digest:" .. name) or 0
    local number = versions:get("#count:" .. name) or 0
    if before and before > 0 then
        digest = digest - crc32(key .. "@" .. format("%d", before))
        number = number - 1
    end
    if after > 0 then
        digest = digest + crc32(key .. "@" .. format("%d", after))
        number = number + 1
    end
    versions:set("#digest:" .. name, digest % 4294967296)
    versions:set("#count:" .. name, number)
    if abs(after) > (versions:get("#generation") or 0) then
        versions:set("#generation", abs(after))
    end
    versions:incr("#changes", 1, 0)
end

local function older(held, generation)
    if held and abs(held) > generation then
        return "stale"
    elseif held and abs(held) == generation then
        return "same"
    end
end

--- Puts a document that was checked. Call it between lock and unlock.
---@param name string its kind
---@param key string
---@param generation integer
---@param text string the line as it was pushed
---@return string result applied, same, stale or no-memory
---@return integer? held the generation that counts, for stale
function _M.put(name, key, generation, text)
    local version_key = name .. ":" .. key
    local held = versions:get(version_key)
    local result = older(held, generation)
    if result then
        return result, abs(held)
    end
    if not (held and held > 0) and below_watermark() then
        return "no-memory"
    end
    local new_text = text_key(version_key, generation)
    if not documents:safe_set(new_text, text) then
        documents:delete(new_text)
        return "no-memory"
    end
    if not versions:safe_set(version_key, generation) then
        documents:delete(new_text)
        if held and held > 0 then
            -- Cannot happen where a number replaces a number; were it to, the old one counts.
            versions:safe_set(version_key, held)
        end
        return "no-memory"
    end
    if held and held > 0 then
        documents:delete(text_key(version_key, held))
    end
    count(name, key, held, generation)
    return "applied"
end

--- Deletes a document and leaves a tombstone. Call it between lock and unlock.
---@param name string its kind
---@param key string
---@param generation integer
---@return string result applied, same, stale or no-memory
---@return integer? held
function _M.delete(name, key, generation)
    local version_key = name .. ":" .. key
    local held = versions:get(version_key)
    local result = older(held, generation)
    if result then
        return result, abs(held)
    end
    if not versions:safe_set(version_key, -generation, limits.tombstone_ttl_s) then
        return "no-memory"
    end
    if held and held > 0 then
        documents:delete(text_key(version_key, held))
    end
    count(name, key, held, -generation)
    versions:incr("#deletions", 1, 0)
    return "applied"
end

-- A writer that was killed left counts that may not fit: count again.
local function recount()
    for _, of in ipairs(all) do
        versions:set("#digest:" .. of.name, 0)
        versions:set("#count:" .. of.name, 0)
    end
    for _, document in ipairs(_M.list()) do
        count(document.kind, document.key, nil, document.generation)
    end
    versions:incr("#changes", 1, 0)
end

-- A writer that was killed does not give its place free; one of those who wait does it.
local function free_dead_lock(alive)
    local pid = versions:get("#lock")
    if pid and not alive(pid) and versions:add("#freed:" .. pid, 1, limits.lock_ttl_s) then
        versions:delete("#lock")
    end
end

--- Takes the one writer's place. Waits, so it needs a phase that can.
---@param alive fun(pid: integer): boolean
---@return boolean? ok
---@return string? err
function _M.lock(alive)
    local waited = 0
    while not versions:add("#lock", ngx.worker.pid(), limits.lock_ttl_s) do
        free_dead_lock(alive)
        if waited >= limits.lock_wait_s_max then
            return nil, "another writer is at work"
        end
        ngx.sleep(0.002)
        waited = waited + 0.002
    end
    if versions:get("#writing") then
        recount()
    end
    versions:set("#writing", ngx.worker.pid())
    return true
end

--- Gives the writer's place free.
function _M.unlock()
    versions:delete("#writing")
    versions:delete("#lock")
end

--- Every live document, sorted by kind and key.
---@param only string? a kind
---@return {kind: string, key: string, generation: integer}[]
function _M.list(only)
    local found = {}
    for _, version_key in ipairs(versions:get_keys(0)) do
        if sub(version_key, 1, 1) ~= "#" then
            local colon = find(version_key, ":", 1, true)
            local name = sub(version_key, 1, colon - 1)
            local version = (not only or only == name) and versions:get(version_key)
            if version and version > 0 then
                found[#found + 1] = {
                    kind = name, key = sub(version_key, colon + 1), generation = version,
                }
            end
        end
    end
    table.sort(found, function(a, b)
        if a.kind ~= b.kind then
            return a.kind < b.kind
        end
        return a.key < b.key
    end)
    return found
end

--- The text of a document as it was pushed.
---@param name string its kind
---@param key string
---@return string? text
function _M.text(name, key)
    local version_key = name .. ":" .. key
    local version = versions:get(version_key)
    if not version or version < 0 then
        return nil
    end
    return documents:get(text_key(version_key, version))
end

--- Figures for GET /v1/state.
---@return table
function _M.summary()
    local kinds = {}
    for _, of in ipairs(all) do
        kinds[of.name] = {
            count = versions:get("#count:" .. of.name) or 0,
            digest = format("%08x", versions:get("#digest:" .. of.name) or 0),
        }
    end
    return {
        epoch = versions:get("#epoch") or "",
        generation = versions:get("#generation") or 0,
        kinds = kinds,
        memory = {
            documents = { capacity = documents:capacity(), free = documents:free_space() },
            versions = { capacity = versions:capacity(), free = versions:free_space() },
        },
    }
end

--- Whether anything was ever pushed or loaded. Before that, no host can be said not to exist.
---@return boolean
function _M.is_known()
    return versions:get("#generation") ~= nil
end

--- The mark of this shared memory; new memory has none until it is given one (`fresh`).
---@param fresh string?
---@return string? epoch
function _M.epoch(fresh)
    if fresh then
        versions:set("#epoch", fresh)
    end
    return versions:get("#epoch")
end

return _M
