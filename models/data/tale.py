"""A small text that comes along, written for these models: short sentences of few words, so that little training
shows."""

TALE = """\
In a town by the sea there lived a keeper of clocks. She had a clock for the morning and a clock for the night. Every
day she climbed the tower and wound them both. The wheels turned, the bells rang, and the people knew when to rise and
when to sleep.

One day the clock of the night stood still. "What is the matter?" asked the keeper. "I am tired," said the clock. "I
have counted the hours in the dark, and no one ever looks at me." The keeper sat down beside it. "I look at you every
day," she said. "But you look at me in the light," said the clock, "and my hours are the dark ones."

That night the people did not know when to sleep. The baker baked too early. The fisher came home too late. The
children sat at the window and counted the stars. "Is it morning?" they asked. "It is not morning," said the moon.

The keeper took a lamp and climbed the tower in the dark. She sat down by the clock and looked at it. "Now I see you,"
she said. "What do you see?" asked the clock. "I see a face with twelve numbers and two hands," said the keeper. "I see
the wheels behind the face, and every wheel has its place." The clock was silent. Then it began to tick. It ticked
slowly at first, as if it had to learn it again. It ticked one hour, and then another hour.

In the morning the bells rang. The baker baked in time. The fisher came home in time. The children slept until the sun
stood over the sea. And the keeper slept in her chair beside the clock.

From that day on she climbed the tower twice. In the light she wound the clock of the morning. In the dark she sat with
the clock of the night. Sometimes the children came with her and brought their lamps. They learned the names of the
wheels. They learned the names of the stars. "Why do you come?" asked the clock. "We come to look at you," said the
children.

When the keeper was old, the eldest of the children took the lamp. He wound the clock of the morning in the light. He
sat with the clock of the night in the dark. "Are you tired?" he asked. "I am not tired," said the clock. "I count the
hours, and you look at me." The wheels turned, the bells rang, and the people knew when to rise and when to sleep.

There was a ship that came to the town in the winter. The captain had no clock. "How do you know the hour?" asked the
keeper. "I look at the stars," said the captain. "And when there are no stars?" The captain was silent. Then the keeper
gave him a small clock with one hand. "It is not a good clock," she said. "It knows the hours, and it knows nothing
else." The captain took the clock and thanked her. In the spring the ship came back. "It is a good clock," said the
captain. "In the dark I looked at it, and it ticked."

Now there are many clocks in the town by the sea. Some of them are large, and some of them are small. They do not agree
on the hour. The baker has his own time, and the fisher has his own time. But when the bells of the tower ring, they
all look up. "It is morning," say the people. And the sun stands over the sea.
"""
