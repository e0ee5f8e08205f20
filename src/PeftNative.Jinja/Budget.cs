using System.Runtime.CompilerServices;

namespace PeftNative.Jinja;

/// <summary>
/// Counts what one rendering uses and stops it at the limits. Everything a template can make large passes through here
/// before it is made.
/// </summary>
internal sealed class Budget(JinjaLimits limits)
{
    private const int UnitsPerItem = 64;
    private long _stepsLeft = limits.Steps;
    private long _unitsLeft = limits.Memory;
    private int _depth;

    public JinjaLimits Limits { get; } = limits;

    /// <summary>Allows more for data that was given to the template: its size is not the template's doing.</summary>
    public void Admit(long length)
    {
        _stepsLeft += UnitsPerItem * length;
        _unitsLeft += UnitsPerItem * length;
    }

    public void Step(long count = 1)
    {
        _stepsLeft -= count;
        if (_stepsLeft < 0)
            throw JinjaException.Limit($"The template takes more than {Limits.Steps} steps.");
    }

    /// <summary>Counts reading a text of this length: far less work than a step for each character.</summary>
    public void Read(long length) => Step(length >> 5);

    public void Text(long length)
    {
        if (length < 0 || length > _unitsLeft)
            throw JinjaException.Limit($"The template creates more than {Limits.Memory} characters of text and data.");
        _unitsLeft -= length;
        Read(length);
    }

    public void Items(long count)
    {
        // Refused here rather than multiplied: the count may come straight from the template.
        if (count > _unitsLeft / UnitsPerItem)
            throw JinjaException.Limit($"The template creates more than {Limits.Memory} characters of text and data.");
        _unitsLeft -= count * UnitsPerItem;
        Step(count);
    }

    /// <summary>
    /// Goes one level deeper; each call needs its <see cref="Leave"/> unless an exception ends the rendering.
    /// </summary>
    public void Enter()
    {
        if (++_depth > Limits.Depth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw JinjaException.Limit($"The template or its data nests deeper than {Limits.Depth} levels.");
    }

    public void Leave() => _depth--;
}
