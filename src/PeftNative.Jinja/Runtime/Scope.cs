using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Runtime;

/// <summary>
/// The names of one block; a name it lacks is looked up in the blocks around it, a name it sets stays its own.
/// </summary>
internal sealed class Scope(Scope? parent)
{
    private readonly Dictionary<string, Value> _names = [];

    public Value? Find(string name)
    {
        for (var scope = this; scope is not null; scope = scope.Parent)
            if (scope._names.TryGetValue(name, out var value))
                return value;
        return null;
    }

    public void Set(string name, Value value) => _names[name] = value;

    private Scope? Parent { get; } = parent;
}
