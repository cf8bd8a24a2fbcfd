--- Regular expressions of documents (PCRE, without regard to case), compiled once in each worker.
-- Not `ngx.re` with "o": its cache is an LRU list of a fixed size, and a cluster with more patterns
-- than that would compile them on every request. Here a pattern stays compiled for as long as some
-- document uses it, and is shared by all that do. As ngx.re.split, this calls the two functions
-- of lua-resty-core itself.
-- A pattern that backtracks too much on some path ends with an error: lua_regex_match_limit, or the
-- stack of PCRE's machine code.

local core = require("resty.core.regex")
local ffi = require("ffi")
local limits = require("headgate.limits")
local problems = require("headgate.problems")
local re = require("ngx.re")

local exec = ffi.C.ngx_http_lua_ffi_exec_regex
local compile, collect = core.re_match_compile, core.collect_captures
local clock = os.clock
local setmetatable = setmetatable

local NO_MATCH = -1

local _M = {}

---@class headgate.regex
---@field pattern string
---@field compiled any? cdata; freed with this table
---@field flags integer
---@field broken string? why it cannot be compiled

-- What this worker has spent on compiling.
local compiling_s = 0

local handles = setmetatable({}, { __mode = "v" })

--- For init_by_lua, before anything is compiled. PCRE's own 32 kB do not do for long paths.
function _M.init()
    re.opt("jit_stack_size", limits.regex_stack_bytes)
end

--- A regular expression; it is compiled when it is used first.
---@param pattern string
---@return headgate.regex
function _M.new(pattern)
    local handle = handles[pattern]
    if not handle then
        handle = { pattern = pattern, flags = 0 }
        handles[pattern] = handle
    end
    return handle
end

local function prepare(handle)
    if handle.broken then
        return nil
    end
    local began = clock()
    local compiled, err, flags = compile(handle.pattern, "ij")
    compiling_s = compiling_s + clock() - began
    if not compiled then
        handle.broken = err
        return nil
    end
    handle.compiled, handle.flags = compiled, flags
    return compiled
end

--- As `new`, compiled at once.
---@param pattern string
---@return headgate.regex? handle
---@return string? err
function _M.compiled(pattern)
    local handle = _M.new(pattern)
    if not handle.compiled and not prepare(handle) then
        return nil, handle.broken
    end
    return handle
end

-- The first use by a request; one that cannot be compiled is told once.
local function prepare_late(handle)
    local known = handle.broken
    local compiled = prepare(handle)
    if not compiled and not known then
        problems.report("requests for pattern " .. handle.pattern .. " get 503: it cannot be used: "
            .. handle.broken)
    end
    return compiled
end

local function run(handle, subject)
    local compiled = handle.compiled or prepare_late(handle)
    if not compiled then
        return nil, handle.broken
    end
    local rc = exec(compiled, handle.flags, subject, #subject, 0)
    if rc > 0 then
        return rc
    end
    if rc ~= NO_MATCH then
        return nil, "pattern " .. handle.pattern .. " gave up on this path (" .. rc .. ")"
    end
    return nil
end

--- Whether a subject matches.
---@param handle headgate.regex
---@param subject string
---@return boolean matches
---@return string? err
function _M.test(handle, subject)
    local rc, err = run(handle, subject)
    return rc ~= nil, err
end

--- Processor time of this worker but for compiling, which each pattern costs once.
---@return number seconds
function _M.clock()
    return clock() - compiling_s
end

--- What the groups took: false for a group that took no part.
---@param handle headgate.regex
---@param subject string
---@return table? captures nil where it does not match, and where it cannot be told
---@return string? err
function _M.captures(handle, subject)
    local rc, err = run(handle, subject)
    if not rc then
        return nil, err
    end
    return collect(handle.compiled, rc, subject, handle.flags)
end

return _M
