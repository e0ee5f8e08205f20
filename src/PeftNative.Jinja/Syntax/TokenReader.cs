using System.Runtime.CompilerServices;

namespace PeftNative.Jinja.Syntax;

/// <summary>The tokens of a template in order, and how deep the parser stands in them.</summary>
internal sealed class TokenReader(List<Token> tokens, int maximumNesting)
{
    private int _next;
    private int _nesting;

    public Token Current => tokens[_next];

    public int Line => Current.Line;

    public Token Following => tokens[Math.Min(_next + 1, tokens.Count - 1)];

    public Token Take()
    {
        var token = Current;
        if (_next < tokens.Count - 1) _next++;
        return token;
    }

    public bool SkipName(string name)
    {
        if (!Current.IsName(name)) return false;
        Take();
        return true;
    }

    public bool SkipOperator(string symbol)
    {
        if (!Current.IsOperator(symbol)) return false;
        Take();
        return true;
    }

    public string ExpectName() => Expect(TokenKind.Name, "a name").Text;

    public void ExpectName(string name)
    {
        if (!SkipName(name)) throw Unexpected($"'{name}'");
    }

    public void ExpectOperator(string symbol)
    {
        if (!SkipOperator(symbol)) throw Unexpected($"'{symbol}'");
    }

    public Token Expect(TokenKind kind, string description) =>
        Current.Kind == kind ? Take() : throw Unexpected(description);

    public JinjaException Unexpected(string expected) =>
        JinjaException.Syntax($"Expected {expected} but found {Current}.", Line);

    public void Enter()
    {
        if (++_nesting > maximumNesting || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new JinjaException(
                $"The template nests deeper than {maximumNesting} levels.", JinjaError.Limit) { Line = Line };
    }

    public void Leave() => _nesting--;
}
