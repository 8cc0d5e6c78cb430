package main

import (
	"context"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// As long as Argo CD lets a script run.
const scriptDeadline = time.Second

// health runs a script with what Argo CD gives one from argocd-cm: the libraries base, package and
// table, and the object as the global obj. Argo CD's own restricted os library is left out.
func health(script string, object *unstructured.Unstructured) (answer, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		call := lua.P{Fn: state.NewFunction(open), Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return answer{}, err
		}
	}
	deadline, cancel := context.WithTimeout(context.Background(), scriptDeadline)
	defer cancel()
	state.SetContext(deadline)
	state.SetGlobal("obj", value(state, object.Object))
	if err := state.DoString(script); err != nil {
		return answer{}, err
	}
	result, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return answer{}, fmt.Errorf("the script returned %s, not a table", state.Get(-1).Type())
	}
	said := answer{
		Status:  lua.LVAsString(result.RawGetString("status")),
		Message: lua.LVAsString(result.RawGetString("message")),
	}
	switch said.Status {
	case "Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown":
		return said, nil
	}
	return answer{}, fmt.Errorf("%q is no health of Argo CD", said.Status)
}

// value is a part of a JSON document as Lua sees it.
func value(state *lua.LState, part any) lua.LValue {
	switch part := part.(type) {
	case bool:
		return lua.LBool(part)
	case int64:
		return lua.LNumber(part)
	case float64:
		return lua.LNumber(part)
	case string:
		return lua.LString(part)
	case []any:
		list := state.CreateTable(len(part), 0)
		for _, item := range part {
			list.Append(value(state, item))
		}
		return list
	case map[string]any:
		object := state.CreateTable(0, len(part))
		for key, item := range part {
			object.RawSetString(key, value(state, item))
		}
		return object
	}
	return lua.LNil
}
