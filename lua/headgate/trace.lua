--- Gives requests a trace where they have none (W3C Trace Context).

local bit = require("bit")
local random = require("headgate.random")
local trace_context = require("headgate.trace_context")

local is_valid, new = trace_context.is_valid, trace_context.new
local draw = math.random
local tohex = bit.tohex
local ngx = ngx
local var = ngx.var
local clear_header, set_header = ngx.req.clear_header, ngx.req.set_header

local PREFIX_BYTES = 8
local WORD_MAX = 4294967295

local _M = { flags = "00", prefix = "" }

local function word()
    return tohex(draw(1, WORD_MAX))
end

--- init_worker_by_lua: what the ids of this worker begin with.
function _M.init_worker()
    _M.prefix = random.hex(PREFIX_BYTES)
end

--- Leaves a trace that can be read as it is, and begins one where there is none or where it cannot
-- be read. In the second case the state that belongs to it goes too (3.3.1.4 of the standard).
function _M.ensure()
    local said = var.http_traceparent
    if said and is_valid(said) then
        return
    end
    local made = new(_M.prefix, _M.flags, word)
    set_header("traceparent", made)
    if var.http_tracestate then
        clear_header("tracestate")
    end
    var.hg_traceparent = made
end

return _M
