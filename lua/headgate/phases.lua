--- The entry points of nginx.conf: one call for each phase, nothing else there.

local answer = require("headgate.answer")
local auth_settings = require("headgate.auth.settings")
local api = require("headgate.api")
local balancer = require("headgate.balancer")
local client_hello = require("headgate.client_hello")
local compile = require("headgate.compile")
local fallback = require("headgate.fallback")
local connections = require("headgate.guards.connections")
local health = require("headgate.health")
local https = require("headgate.https")
local loads = require("headgate.loads")
local metrics = require("headgate.metrics")
local peers = require("headgate.peers")
local process = require("headgate.process")
local random = require("headgate.random")
local refused_certificate = require("headgate.refused_certificate")
local regex = require("headgate.regex")
local request = require("headgate.request")
local retry_budget = require("headgate.health.retry_budget")
local sign_in = require("headgate.guards.sign_in")
local slow_start = require("headgate.health.slow_start")
local snapshot = require("headgate.snapshot")
local store = require("headgate.store")
local throttle = require("headgate.guards.throttle")
local tls = require("headgate.tls")
local trace = require("headgate.trace")
local workers = require("headgate.workers")

local FLUSH_INTERVAL_S = 1

local _M = {
    rewrite = request.rewrite,
    balance = balancer.balance,
    answer = answer.filter,
    failed = fallback.failed,
    certificate = tls.certificate,
    client_hello = client_hello.run,
    refused_certificate = refused_certificate.answer,
    log = metrics.log,
    api = api.serve,
}

---@class headgate.settings
---@field generation integer of this configuration
---@field snapshot string directory
---@field profiles table<string, headgate.profile>
---@field policies table<string, boolean>? of client certificates, by name
---@field policy_names table<string, string|false>? host name, or wildcard → its policy
---@field upstreams integer how many upstream blocks there are
---@field https_port integer
---@field redirect_code integer
---@field no_redirect_paths string[]
---@field hsts string?
---@field forwarded boolean
---@field reject_unknown_names boolean
---@field timeouts table<string, integer> those of the profiles
---@field access_log boolean|"names" with names: the log has fields of the route
---@field trace string? flags of traces that begin here; nil: none does
---@field external_auth table? of headgate.auth.settings
---@field health headgate.health_rules?
---@field retry_budget headgate.retry_rules?
---@field slow_start_s integer?

-- LuaJIT's own limits are for shorter code: a decision with all its steps is longer than what it
-- compiles in one piece, and interpreted it costs a fifth of a request more. Counts, and KB.
local COMPILER = {
    "maxtrace=8000", "maxrecord=16000", "maxsnap=2000", "maxirconst=2000", "maxmcode=16384",
}

--- init_by_lua: takes the settings, and fills shared memory where it is new.
---@param settings headgate.settings
function _M.init(settings)
    require("jit.opt").start(unpack(COMPILER))
    api.configuration = settings.generation
    compile.set_profiles(settings.profiles)
    compile.policies = settings.policies or {}
    client_hello.names = settings.policy_names or {}
    compile.upstreams = settings.upstreams
    https.port = settings.https_port
    https.redirect_code = settings.redirect_code
    https.no_redirect_paths = settings.no_redirect_paths
    https.hsts = settings.hsts
    https.forwarded = settings.forwarded
    request.access_log = settings.access_log
    auth_settings.configure(settings.external_auth)
    metrics.names = settings.access_log == "names"
    if settings.trace then
        trace.flags = settings.trace
        request.ensure_trace = trace.ensure
    end
    tls.reject_unknown_names = settings.reject_unknown_names
    compile.timeouts = settings.timeouts
    health.configure(settings.health)
    slow_start.usual_s = settings.slow_start_s or 0
    retry_budget.configure(settings.retry_budget, ngx.worker.count())
    regex.init()
    sign_in.init()
    throttle.init()
    metrics.prepare()
    if not store.epoch() then
        snapshot.load(settings.snapshot)
        store.epoch(random.hex(16))
    end
end

local function living()
    return workers.list(process.alive)
end

local function sweep()
    if store.sweep() then
        metrics.sweep()
        peers.sweep(store.backend.cache)
        retry_budget.sweep(store.backend.cache)
    end
end

-- What a worker does each second. One that fails does not keep the others from it.
local CHORES = {
    metrics.flush,
    sweep,
    function() health.sweep(store.backend.cache) end,
    function() loads.sweep(process.alive) end,
    function() connections.tick(living, process.alive) end,
}

local function tick()
    for _, chore in ipairs(CHORES) do
        local ok, err = pcall(chore)
        if not ok then
            store.report("what is done each second fails: " .. tostring(err))
        end
    end
end

--- init_worker_by_lua.
function _M.init_worker()
    random.seed()
    trace.init_worker()
    local own = ngx.worker.pid()
    workers.enlist(own, api.configuration)
    loads.enlist(own)
    connections.sweep(function(pid)
        return pid ~= own and process.alive(pid)
    end)
    assert(ngx.timer.every(FLUSH_INTERVAL_S, tick))
end

return _M
