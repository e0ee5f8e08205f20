using PeftNative.Jinja.Runtime;
using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Library;

/// <summary>
/// The methods of one Python type. <c>Forbidden</c> ones exist in Python but would change the value, which the sandbox
/// of the reference does not allow.
/// </summary>
internal sealed class PythonMethods(Dictionary<string, Builtin> methods, params string[] forbidden)
{
    public Value? Find(Value self, string name) =>
        methods.TryGetValue(name, out var method) ? new FunctionValue(method, self)
        : forbidden.Contains(name) ? UndefinedValue.Unsafe(self, name)
        : null;

    public static Dictionary<string, Builtin> Of(params Builtin[] methods) => methods.ToDictionary(m => m.Name);
}
