if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for Freehold to process the object" }
end
local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end
local function is_true(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end
local ready = conditions["Ready"]
if ready == nil then
  return { status = "Progressing", message = "Waiting for Freehold to process the object" }
end
if is_true("Ready") then
  return { status = "Healthy", message = ready.message }
end
if ready.reason == "NamespaceSuspended" then
  return { status = "Suspended", message = ready.message }
end
if is_true("Reconciling") then
  return { status = "Progressing", message = ready.message }
end
-- Failed, or verified by a proof that nothing new relies on.
return { status = "Degraded", message = ready.message }
