using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Runtime;

/// <summary>The arguments of a call, evaluated.</summary>
internal sealed record Arguments(IReadOnlyList<Value> Positional, IReadOnlyList<KeyValuePair<string, Value>> Named)
{
    public static Arguments None { get; } = new([], []);

    public Value? Find(string name)
    {
        foreach (var (key, value) in Named)
            if (key == name)
                return value;
        return null;
    }

    /// <summary>The same call with a value in front, as a filter gets its input.</summary>
    public Arguments After(Value first) => this with { Positional = [first, .. Positional] };

    /// <summary>The same call without its first arguments.</summary>
    public Arguments Skip(int count) => this with { Positional = [.. Positional.Skip(count)] };

    public Arguments With(string name, Value value) => this with { Named = [.. Named, new(name, value)] };
}
