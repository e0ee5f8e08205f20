using PeftNative.Jinja.Values;

namespace PeftNative.Jinja.Syntax;

/// <summary>
/// Parses expressions, from the weakest binding (inline if) to the strongest (a name, a literal, a bracket).
/// </summary>
internal sealed class ExpressionParser(TokenReader tokens)
{
    private static readonly string[] Comparisons = ["==", "!=", "<", "<=", ">", ">="];

    /// <summary>
    /// The names read since the innermost macro began; a macro learns from them whether it uses varargs, kwargs or
    /// caller.
    /// </summary>
    public HashSet<string> NamesRead { get; set; } = [];

    public Expression Parse()
    {
        tokens.Enter();
        var result = ParseOr();
        while (tokens.SkipName("if"))
        {
            var test = ParseOr();
            result = new Conditional(test, result, tokens.SkipName("else") ? Parse() : null);
        }

        tokens.Leave();
        return result;
    }

    /// <summary>An expression without inline if, as the head of a <c>for</c> needs it.</summary>
    public Expression ParseOr()
    {
        var left = ParseAnd();
        while (tokens.SkipName("or")) left = new Or(left, ParseAnd());
        return left;
    }

    /// <summary>One expression, or several with commas between them, which make a tuple.</summary>
    public Expression ParseTuple(Func<Expression>? parseItem = null, string? endName = null, bool inParentheses = false)
    {
        parseItem ??= Parse;
        List<Expression> items = [];
        var isTuple = false;
        while (!AtTupleEnd(endName))
        {
            items.Add(parseItem());
            if (!tokens.SkipOperator(",")) break;
            isTuple = true;
        }

        if (!isTuple && items.Count == 1) return items[0];
        if (!isTuple && !inParentheses) throw tokens.Unexpected("an expression");
        return new TupleDisplay(items);
    }

    private bool AtTupleEnd(string? endName) =>
        tokens.Current.Kind is TokenKind.VariableEnd or TokenKind.BlockEnd || tokens.Current.IsOperator(")")
        || (endName is not null && tokens.Current.IsName(endName));

    private Expression ParseAnd()
    {
        var left = ParseNot();
        while (tokens.SkipName("and")) left = new And(left, ParseNot());
        return left;
    }

    private Expression ParseNot()
    {
        var negations = 0;
        while (tokens.SkipName("not")) negations++;
        var operand = ParseComparison();
        // An even number of negations still turns a value into a bool.
        if (negations > 0) operand = new Not(operand);
        return negations > 0 && negations % 2 == 0 ? new Not(operand) : operand;
    }

    private Expression ParseComparison()
    {
        var first = ParseSum();
        List<(string, Expression)> rest = [];
        while (ComparisonOperator() is { } symbol) rest.Add((symbol, ParseSum()));
        return rest.Count == 0 ? first : new Comparison(first, rest);
    }

    private string? ComparisonOperator()
    {
        if (tokens.Current.Kind == TokenKind.Operator && Comparisons.Contains(tokens.Current.Text))
            return tokens.Take().Text;
        if (tokens.SkipName("in")) return "in";
        if (!tokens.Current.IsName("not") || !tokens.Following.IsName("in")) return null;
        tokens.Take();
        tokens.Take();
        return "not in";
    }

    private Expression ParseSum() => ParseBinary(ParseConcatenation, "+", "-");

    private Expression ParseConcatenation()
    {
        var first = ParseProduct();
        if (!tokens.Current.IsOperator("~")) return first;
        List<Expression> parts = [first];
        while (tokens.SkipOperator("~")) parts.Add(ParseProduct());
        return new Concatenation(parts);
    }

    private Expression ParseProduct() => ParseBinary(ParsePower, "*", "/", "//", "%");

    private Expression ParsePower() => ParseBinary(() => ParseUnary(withFilters: true), "**");

    private Expression ParseBinary(Func<Expression> parseOperand, params ReadOnlySpan<string> symbols)
    {
        var left = parseOperand();
        while (tokens.Current.Kind == TokenKind.Operator && symbols.Contains(tokens.Current.Text))
            left = new Binary(tokens.Take().Text, left, parseOperand());
        return left;
    }

    private Expression ParseUnary(bool withFilters)
    {
        Expression result;
        if (tokens.Current.IsOperator("-") || tokens.Current.IsOperator("+"))
        {
            tokens.Enter();
            var symbol = tokens.Take().Text[0];
            result = new Unary(symbol, ParseUnary(withFilters: false));
            tokens.Leave();
        }
        else
        {
            result = ParsePrimary();
        }

        result = ParsePostfix(result);
        return withFilters ? ParseFilters(result) : result;
    }

    public Expression ParsePrimary()
    {
        var token = tokens.Take();
        switch (token.Kind)
        {
            case TokenKind.Name: return NameOrConstant(token.Text);
            case TokenKind.Text: return new Literal(new StringValue(AdjacentStrings(token.Text)));
            case TokenKind.Integer or TokenKind.Float: return new Literal(token.Number!);
            case TokenKind.Operator when token.Text == "(":
                tokens.Enter();
                var inner = ParseTuple(inParentheses: true);
                tokens.ExpectOperator(")");
                tokens.Leave();
                return inner;
            case TokenKind.Operator when token.Text == "[": return new ListDisplay(ParseList("]", Parse));
            case TokenKind.Operator when token.Text == "{": return new DictDisplay(ParseList("}", ParsePair));
            default: throw JinjaException.Syntax($"Expected an expression but found {token}.", token.Line);
        }
    }

    private Expression NameOrConstant(string name)
    {
        switch (name)
        {
            case "true" or "True": return new Literal(BoolValue.True);
            case "false" or "False": return new Literal(BoolValue.False);
            case "none" or "None": return new Literal(NoneValue.Instance);
        }

        NamesRead.Add(name);
        return new Name(name);
    }

    private string AdjacentStrings(string first)
    {
        if (tokens.Current.Kind != TokenKind.Text) return first;
        List<string> parts = [first];
        while (tokens.Current.Kind == TokenKind.Text) parts.Add(tokens.Take().Text);
        return string.Concat(parts);
    }

    private List<T> ParseList<T>(string end, Func<T> parseItem)
    {
        List<T> items = [];
        while (!tokens.Current.IsOperator(end))
        {
            if (items.Count > 0) tokens.ExpectOperator(",");
            if (tokens.Current.IsOperator(end)) break;
            items.Add(parseItem());
        }

        tokens.Take();
        return items;
    }

    private (Expression, Expression) ParsePair()
    {
        var key = Parse();
        tokens.ExpectOperator(":");
        return (key, Parse());
    }

    private Expression ParsePostfix(Expression target)
    {
        while (true)
        {
            if (tokens.SkipOperator(".")) target = ParseAttribute(target);
            else if (tokens.SkipOperator("[")) target = ParseSubscript(target);
            else if (tokens.Current.IsOperator("(")) target = new Call(target, ParseArguments());
            else return target;
        }
    }

    private Expression ParseAttribute(Expression target)
    {
        var token = tokens.Take();
        return token.Kind switch
        {
            TokenKind.Name => new Attribute(target, token.Text),
            TokenKind.Integer => new Item(target, new Literal(token.Number!)),
            _ => throw JinjaException.Syntax($"Expected a name or a number after '.' but found {token}.", token.Line),
        };
    }

    private Expression ParseSubscript(Expression target)
    {
        Expression? start = tokens.Current.IsOperator(":") ? null : Parse();
        if (start is not null && !tokens.Current.IsOperator(":"))
        {
            var key = tokens.Current.IsOperator(",") ? ParseTupleKey(start) : start;
            tokens.ExpectOperator("]");
            return new Item(target, key);
        }

        tokens.ExpectOperator(":");
        var stop = SlicePart();
        var step = tokens.SkipOperator(":") ? SlicePart() : null;
        tokens.ExpectOperator("]");
        return new Slice(target, start, stop, step);
    }

    private TupleDisplay ParseTupleKey(Expression first)
    {
        List<Expression> items = [first];
        while (tokens.SkipOperator(",") && !tokens.Current.IsOperator("]")) items.Add(Parse());
        return new TupleDisplay(items);
    }

    private Expression? SlicePart() =>
        tokens.Current.IsOperator(":") || tokens.Current.IsOperator("]") ? null : Parse();

    private Expression ParseFilters(Expression target)
    {
        while (true)
        {
            if (tokens.SkipOperator("|")) target = ParseFilter(target);
            else if (tokens.SkipName("is")) target = ParseTest(target);
            else if (tokens.Current.IsOperator("(")) target = new Call(target, ParseArguments());
            else return target;
        }
    }

    /// <summary>A filter's name and arguments, after its <c>|</c>.</summary>
    public Filter ParseFilter(Expression? input)
    {
        var name = DottedName();
        return new Filter(input, name, tokens.Current.IsOperator("(") ? ParseArguments() : ArgumentList.None);
    }

    private string DottedName()
    {
        var name = tokens.ExpectName();
        while (tokens.SkipOperator(".")) name += "." + tokens.ExpectName();
        return name;
    }

    private Expression ParseTest(Expression input)
    {
        var isNegated = tokens.SkipName("not");
        var name = DottedName();
        var arguments = ArgumentList.None;
        if (tokens.Current.IsOperator("("))
        {
            arguments = ParseArguments();
        }
        else if (BeginsTestOperand())
        {
            if (tokens.Current.IsName("is"))
                throw JinjaException.Syntax("Tests with 'is' cannot be chained.", tokens.Line);
            arguments = new ArgumentList([ParsePostfix(ParsePrimary())], [], null, null);
        }

        Expression test = new Test(input, name, arguments);
        return isNegated ? new Not(test) : test;
    }

    private bool BeginsTestOperand() => tokens.Current.Kind switch
    {
        TokenKind.Name => tokens.Current.Text is not ("else" or "or" or "and"),
        TokenKind.Text or TokenKind.Integer or TokenKind.Float => true,
        TokenKind.Operator => tokens.Current.Text is "[" or "{",
        _ => false,
    };

    private ArgumentList ParseArguments()
    {
        tokens.ExpectOperator("(");
        List<Expression> positional = [];
        List<(string, Expression)> named = [];
        Expression? star = null, doubleStar = null;
        while (!tokens.Current.IsOperator(")"))
        {
            if (tokens.SkipOperator("*"))
                star = Once(star is null && doubleStar is null);
            else if (tokens.SkipOperator("**"))
                doubleStar = Once(doubleStar is null);
            else if (tokens.Current.Kind == TokenKind.Name && tokens.Following.IsOperator("="))
                named.Add((KeywordName(), Once(doubleStar is null)));
            else
                positional.Add(Once(star is null && doubleStar is null && named.Count == 0));
            if (!tokens.SkipOperator(",")) break;
        }

        tokens.ExpectOperator(")");
        return new ArgumentList(positional, named, star, doubleStar);
    }

    private string KeywordName()
    {
        var name = tokens.ExpectName();
        tokens.Take();
        return name;
    }

    private Expression Once(bool isAllowed) =>
        isAllowed ? Parse()
            : throw JinjaException.Syntax("The arguments of a call are in the wrong order.", tokens.Line);
}
